use std::collections::BTreeSet;
use std::error::Error;
use std::fmt::{self, Debug, Write as _};
use std::sync::{Arc, Mutex};

/// Collects everything that is shown, and by whom, and looks for what must not be in it.
#[derive(Clone, Default)]
pub(crate) struct Evidence(Arc<Mutex<Vec<Exhibit>>>);

struct Exhibit {
    place: String,
    text: String,
    /// Whether the caller gets it, who may see what it has said and what it was answered.
    is_sent: bool,
}

/// The key of a tenant, in `x-api-key`.
pub(crate) const TENANT_KEY: &str = "canary-key-of-a-tenant";
/// The key of a tenant, as a bearer token.
pub(crate) const TENANT_TOKEN: &str = "canary-token-of-a-tenant";
/// A key that nobody has.
pub(crate) const STRANGE_KEY: &str = "canary-key-of-a-stranger";
/// Credentials of a caller that are none of ours.
pub(crate) const COOKIE: &str = "canary-cookie-of-a-caller";
/// The key of the account upstream.
pub(crate) const UPSTREAM_KEY: &str = "canary-key-of-the-account";
/// What a caller says.
pub(crate) const PROMPT: &str = "canary: said by a caller";
/// What a caller says first.
pub(crate) const SYSTEM: &str = "canary: said by a system prompt";
/// What the model says, and what upstream says of an error.
pub(crate) const ANSWER: &str = "canary: said by upstream";

const KEYS: [&str; 5] = [TENANT_KEY, TENANT_TOKEN, STRANGE_KEY, COOKIE, UPSTREAM_KEY];
const TEXTS: [&str; 3] = [PROMPT, SYSTEM, ANSWER];

// === impl Evidence ===

impl fmt::Debug for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Evidence(..)")
    }
}

impl Evidence {
    /// Something that could be printed into a log.
    pub(crate) fn shown(&self, place: impl Into<String>, shown: &(impl Debug + ?Sized)) {
        self.add(place, format!("{shown:?} {shown:#?}"), false);
    }

    /// A text that could be printed into a log.
    pub(crate) fn written(&self, place: impl Into<String>, text: impl Into<String>) {
        self.add(place, text.into(), false);
    }

    /// An error, and what it comes from.
    pub(crate) fn failed(&self, place: impl Into<String>, error: &(dyn Error + 'static)) {
        let mut text = String::new();
        let mut next = Some(error);
        while let Some(error) = next {
            let _ = write!(text, "{error} {error:?} {error:#?} ");
            next = error.source();
        }
        self.add(place, text, false);
    }

    /// Something that goes to the caller.
    pub(crate) fn sent(&self, place: impl Into<String>, bytes: impl AsRef<[u8]>) {
        let text = String::from_utf8_lossy(bytes.as_ref()).into_owned();
        self.add(place, text, true);
    }

    fn add(&self, place: impl Into<String>, text: String, is_sent: bool) {
        let place = place.into();
        self.0.lock().unwrap().push(Exhibit {
            place,
            text,
            is_sent,
        });
    }

    /// Where something was found that must not be there.
    pub(crate) fn leaks(&self) -> BTreeSet<String> {
        let exhibits = self.0.lock().unwrap();
        let mut leaks = BTreeSet::new();
        for Exhibit {
            place,
            text,
            is_sent,
        } in exhibits.iter()
        {
            let secrets = KEYS.iter().chain(TEXTS.iter().filter(|_| !is_sent));
            for secret in secrets.filter(|secret| holds(text, secret)) {
                leaks.insert(format!("{place}: {secret:?}"));
            }
        }
        leaks
    }

    /// Fails if anything was found, or if there is less than so many exhibits.
    pub(crate) fn assert_clean(&self, at_least: usize) {
        let count = self.0.lock().unwrap().len();
        assert!(count >= at_least, "only {count} exhibits were collected");
        let leaks: Vec<String> = self.leaks().into_iter().collect();
        assert!(leaks.is_empty(), "leaks:\n{}", leaks.join("\n"));
    }

    /// Whether so many exhibits of that place were collected.
    pub(crate) fn count(&self, place: &str) -> usize {
        let exhibits = self.0.lock().unwrap();
        let found = exhibits.iter().filter(|found| found.place.contains(place));
        found.count()
    }
}

/// Whether a text holds a secret, as it is or as a list of bytes.
fn holds(text: &str, secret: &str) -> bool {
    let bytes: Vec<String> = secret.bytes().map(|byte| byte.to_string()).collect();
    text.contains(secret) || text.contains(&bytes.join(", "))
}
