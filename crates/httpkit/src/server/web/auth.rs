//! Basic authentication against bcrypt hashes.
//!
//! A comparison costs a tenth of a second of a core on purpose. So what was right once is remembered, as a digest under a
//! key that lives as long as the process; few comparisons run at a time, off the threads that serve; and an unknown user
//! costs as much as a wrong password, so that names cannot be found out by the clock.

use std::collections::{BTreeMap, HashSet};
use std::str::FromStr;
use std::sync::Arc;

use axum::http::{HeaderMap, header};
use base64::Engine;
use parking_lot::Mutex;
use ring::hmac;
use tokio::sync::Semaphore;

use crate::Secret;

/// Comparisons that run at a time.
const COMPARISONS_MAX: usize = 2;

/// Remembered successes; more forget the older ones.
const REMEMBERED_MAX: usize = 100;

/// Longer passwords are refused unread: bcrypt looks at 72 bytes.
const CREDENTIALS_BYTES_MAX: usize = 4096;

/// The hash of no password that anybody knows, at the cost that users' hashes usually have.
pub(super) const NOBODY: &str = "$2b$10$kEqDQk4hzXoRkXzVq1pWVeJmqQZ1nUuKqS8b9f3mW7n0b0v7bq5aS";

pub(super) struct Verifier {
    key: hmac::Key,
    remembered: Mutex<HashSet<[u8; 32]>>,
    comparisons: Arc<Semaphore>,
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Verifier").finish_non_exhaustive()
    }
}

impl Verifier {
    pub(super) fn new() -> Self {
        let random = ring::rand::SystemRandom::new();
        // The key only keeps passwords out of memory; a machine without randomness serves all the same.
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &random)
            .unwrap_or_else(|_| hmac::Key::new(hmac::HMAC_SHA256, &[]));
        Self { key, remembered: Mutex::default(), comparisons: Arc::new(Semaphore::new(COMPARISONS_MAX)) }
    }

    /// Returns whether the headers name a user and its password.
    pub(super) async fn verify(&self, users: &BTreeMap<String, Secret<String>>, headers: &HeaderMap) -> bool {
        let Some((user, password)) = credentials(headers) else { return false };
        let hash = users.get(&user).map_or(NOBODY, |hash| hash.reveal().as_str());
        let digest = self.digest(&[user.as_bytes(), hash.as_bytes(), password.reveal().as_bytes()]);
        if digest.is_some_and(|digest| self.remembered.lock().contains(&digest)) {
            return true;
        }
        let Ok(permit) = Arc::clone(&self.comparisons).acquire_owned().await else { return false };
        let (is_known, hash) = (users.contains_key(&user), hash.to_owned());
        let compared = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            bcrypt::verify(password.reveal(), &hash).unwrap_or(false)
        });
        let is_right = compared.await.unwrap_or(false) && is_known;
        if let Some(digest) = digest.filter(|_| is_right) {
            let mut remembered = self.remembered.lock();
            if remembered.len() >= REMEMBERED_MAX {
                remembered.clear();
            }
            remembered.insert(digest);
        }
        is_right
    }

    fn digest(&self, parts: &[&[u8]]) -> Option<[u8; 32]> {
        let mut context = hmac::Context::with_key(&self.key);
        for part in parts {
            context.update(&(part.len() as u64).to_le_bytes());
            context.update(part);
        }
        context.sign().as_ref().try_into().ok()
    }
}

/// Says which user's hash is none.
pub(super) fn check(users: &BTreeMap<String, Secret<String>>) -> Result<(), String> {
    for (user, hash) in users {
        if let Err(error) = bcrypt::HashParts::from_str(hash.reveal()) {
            return Err(format!(
                "basic_auth_users: the hash of {user:?} is not a bcrypt hash ({error}): make one with htpasswd -nBC 10 {user}"
            ));
        }
    }
    Ok(())
}

fn credentials(headers: &HeaderMap) -> Option<(String, Secret<String>)> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") || encoded.len() > CREDENTIALS_BYTES_MAX {
        return None;
    }
    let decoded = base64::engine::general_purpose::STANDARD.decode(encoded.trim()).ok()?;
    let (user, password) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    Some((user.to_owned(), Secret::new(password.to_owned())))
}
