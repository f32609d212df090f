//! Digest authentication, the client's side (RFC 3261, 22; RFC 7616; RFC 8760).
//!
//! [`Authorizations`] is what one leg or one registration knows of its challengers. It is not
//! shared between calls: a nonce may be good for one call only, and the count of its uses must
//! rise by one from request to request.

mod challenge;
mod digest;

pub use challenge::{Challenge, challenges};
pub use digest::{Algorithm, Answer};

use crate::message::{Builder, Message, Method, Name};
use crate::port::Credentials;

/// The most realms that are answered. More than a proxy and a server in one way is not known.
pub const REALMS_MAX: usize = 4;
/// The most times one request is sent again for a challenge: one per kind, and a stale nonce of
/// each.
pub const ROUNDS_MAX: u8 = 4;

/// Why a 401 or 407 cannot be answered. It goes up as the refusal that it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Unanswerable {
    /// It has no challenge of a kind that we know: another scheme, algorithm or qop.
    #[error("no challenge that we can answer")]
    Unknown,
    /// What we answered was not accepted: name or password are wrong.
    #[error("the credentials were refused")]
    Refused,
    /// The request was sent again too often.
    #[error("challenged too often")]
    TooOften,
}

/// The challenges of one leg or registration, and how often each was answered.
#[derive(Clone, Debug, Default)]
pub struct Authorizations {
    realms: Vec<Realm>,
    rounds: u8,
}

/// Who asks, in which header; what is answered.
#[derive(Clone, Debug)]
struct Realm {
    proxy: bool,
    challenge: Challenge,
    /// How often this nonce was used.
    uses: u32,
    /// Whether this request was sent again for this realm.
    answered: bool,
}

impl Authorizations {
    /// Says that what is sent next is a new request, and no repeat of one that was challenged:
    /// what is known is sent along, and a challenge to it may be answered again.
    pub fn new_request(&mut self) {
        self.rounds = 0;
        self.realms.iter_mut().for_each(|realm| realm.answered = false);
    }

    /// Takes the challenges of a 401 or 407: of both headers, per realm the first that we can
    /// answer (RFC 3261, 22.3; RFC 8760, 2.4). After this send the request again, with a new
    /// branch, the next CSeq, and [`Authorizations::authorize`].
    ///
    /// # Errors
    /// When sending again would be of no use.
    pub fn challenged(&mut self, response: &Message<'_>) -> Result<(), Unanswerable> {
        if self.rounds == ROUNDS_MAX {
            return Err(Unanswerable::TooOften);
        }
        let mut taken: Vec<(bool, Challenge)> = Vec::new();
        for (proxy, name) in [(true, Name::ProxyAuthenticate), (false, Name::WwwAuthenticate)] {
            for challenge in response.headers(name).flat_map(challenges) {
                let first = !taken.iter().any(|(p, c)| (*p, &c.realm) == (proxy, &challenge.realm));
                if first && taken.len() < REALMS_MAX {
                    taken.push((proxy, challenge));
                }
            }
        }
        if taken.is_empty() {
            return Err(Unanswerable::Unknown);
        }
        for (proxy, challenge) in taken {
            self.take(proxy, challenge)?;
        }
        self.rounds += 1;
        Ok(())
    }

    fn take(&mut self, proxy: bool, challenge: Challenge) -> Result<(), Unanswerable> {
        let Some(known) = self
            .realms
            .iter_mut()
            .find(|r| r.proxy == proxy && r.challenge.realm == challenge.realm)
        else {
            if self.realms.len() == REALMS_MAX {
                return Err(Unanswerable::TooOften);
            }
            self.realms.push(Realm { proxy, challenge, uses: 0, answered: true });
            return Ok(());
        };
        // The same nonce again means that the answer was wrong, whatever else is said; a new one
        // after an answer means so too, unless the old one was stale (RFC 7616, 3.3).
        let used = known.uses > 0 && known.challenge.nonce == challenge.nonce;
        if used || known.answered && !challenge.stale {
            return Err(Unanswerable::Refused);
        }
        *known = Realm { proxy, challenge, uses: 0, answered: true };
        Ok(())
    }

    /// Whether nobody has challenged us yet.
    pub fn is_empty(&self) -> bool {
        self.realms.is_empty()
    }

    /// Writes Authorization and Proxy-Authorization for every realm that is known. `uri` is the
    /// Request-URI as it is sent. `cnonce` must be random; a new one per call is enough.
    ///
    /// Each call counts as a use of the nonces: call it once per request, not per repeat.
    pub fn authorize(
        &mut self,
        out: &mut Builder<'_>,
        who: &Credentials,
        method: Method,
        uri: &str,
        cnonce: &str,
    ) {
        for realm in &mut self.realms {
            realm.uses += 1;
            let name = if realm.proxy { Name::ProxyAuthorization } else { Name::Authorization };
            let answer = Answer {
                challenge: &realm.challenge,
                who,
                method: method.text(),
                uri,
                cnonce,
                uses: realm.uses,
            };
            out.header(name, answer);
        }
    }
}

#[cfg(test)]
mod tests;
