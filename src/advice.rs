//! Commands that we advise, so written that they can be copied into the shell that ran this one.

use node::StoreUrl;
use std::borrow::Cow;
use std::path::Path;

/// `callfold TASK --data DATA`, with the program named as it was called and what the shell would
/// split or read otherwise in quotes. A store of several nodes is named too.
pub fn command(task: &str, data: &Path, store: Option<&StoreUrl>) -> String {
    let program = std::env::args().next().unwrap_or_else(|| "callfold".into());
    let data = data.display().to_string();
    let mut text = format!("{} {task} --data {}", quoted(&program), quoted(&data));
    if let Some(store) = store.filter(|store| store.is_common()) {
        text += &format!(" --store {}", quoted(&store.to_string()));
    }
    text
}

fn quoted(word: &str) -> Cow<'_, str> {
    // The error is a zero byte, which no argument and no path has.
    shlex::try_quote(word).unwrap_or(Cow::Borrowed(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_with_a_space_is_quoted_and_the_program_is_named_as_called() {
        let called = std::env::args().next().unwrap();
        let text = command("records", Path::new("./my data"), None);
        assert_eq!(shlex::split(&text).unwrap(), [&called, "records", "--data", "./my data"]);
    }

    #[test]
    fn a_common_store_is_named_without_its_password() {
        let store: StoreUrl = "postgres://callfold:secret@db/calls".parse().unwrap();
        let words = shlex::split(&command("records", Path::new("d"), Some(&store))).unwrap();
        assert_eq!(words[4], "--store");
        assert!(words[5].starts_with("postgres://") && !words[5].contains("secret"), "{words:?}");
    }
}
