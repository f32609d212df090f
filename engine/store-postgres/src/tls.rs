//! Connections that are sealed: rustls, with the system's certificates or those of a file.

use crate::address::Tls;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use std::path::Path;
use std::sync::Arc;
use tokio_postgres_rustls::MakeRustlsConnect;

/// What seals connections. Reads the certificates each time, so that new ones need no restart.
///
/// # Errors
/// There is no certificate to trust; why, for people.
pub fn connector(tls: &Tls) -> Result<MakeRustlsConnect, String> {
    let mut roots = RootCertStore::empty();
    let certificates = match &tls.roots {
        Some(file) => from_file(file)?,
        None => rustls_native_certs::load_native_certs().certs,
    };
    // A system has some that no TLS of today takes.
    let (taken, _) = roots.add_parsable_certificates(certificates);
    if taken == 0 {
        return Err("there is no certificate to trust: name a file with sslrootcert".to_owned());
    }
    // Named, since another client in the same program may bring another.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

fn from_file(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let wrong = |error| format!("sslrootcert {}: {error}", file.display());
    CertificateDer::pem_file_iter(file).map_err(wrong)?.map(|one| one.map_err(wrong)).collect()
}
