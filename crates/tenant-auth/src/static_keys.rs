use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::future::{Ready, ready};
use std::sync::Arc;

use arc_swap::ArcSwap;
use tower_claude_core::{Refusal, Tenant, Timestamp};

use crate::{AuthFailure, Authenticate, ConfigError, Credential, Key, KeyDigest, StaticKey};

/// Authenticates by a table of key digests.
///
/// A cheap handle: clones share the table, and [`replace`](StaticKeys::replace) is seen by the
/// next call through any of them. Look-up is by the SHA-256 of the whole credential, so its
/// time tells nothing about the keys there are.
///
/// ```
/// use tower_claude_core::{Tenant, TenantId, Timestamp};
/// use tower_claude_tenant_auth::{KeyDigest, StaticKey, StaticKeys};
///
/// let web = Tenant::new(TenantId::new("web")?);
/// let keys = StaticKeys::new([
///     StaticKey::new(KeyDigest::of("the-key-of-yesterday"), web.clone())
///         .not_after(Timestamp::now()),
///     StaticKey::new(KeyDigest::of("the-key-of-today-and-on"), web.clone()),
/// ])?;
/// // Later, elsewhere: all of it or nothing.
/// keys.replace([(KeyDigest::of("the-key-of-tomorrow"), web)])?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct StaticKeys(Arc<ArcSwap<Table>>);

type Table = HashMap<KeyDigest, StaticKey>;

// === impl StaticKeys ===

impl StaticKeys {
    /// Takes the keys, as [`StaticKey`]s or as pairs of digest and tenant.
    ///
    /// Fails if two have the same digest, or if one is never good.
    pub fn new<K>(keys: impl IntoIterator<Item = K>) -> Result<Self, ConfigError>
    where
        K: Into<StaticKey>,
    {
        Ok(Self(Arc::new(ArcSwap::from_pointee(table(keys)?))))
    }

    /// Puts other keys in the place of all there are; if it fails, the old ones stay.
    ///
    /// Calls that are already authenticated go on.
    pub fn replace<K>(&self, keys: impl IntoIterator<Item = K>) -> Result<(), ConfigError>
    where
        K: Into<StaticKey>,
    {
        self.0.store(Arc::new(table(keys)?));
        Ok(())
    }

    /// How many keys there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.load().len()
    }

    /// Whether nobody can be authenticated.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn find(&self, key: &[u8]) -> Result<Tenant, AuthFailure> {
        let is_made_up = Key::looks_ours(key) && !Key::has_valid_checksum(key);
        // That it is visible ASCII, every credential has been checked for.
        if !Key::LENGTHS.contains(&key.len()) || is_made_up {
            return Err(AuthFailure::Malformed);
        }
        // Finding compares in constant time: that is how digests are equal.
        self.0
            .load()
            .get(&KeyDigest::of(key))
            .ok_or(AuthFailure::Unknown)?
            .redeem(Timestamp::now)
    }
}

impl Authenticate for StaticKeys {
    type Future = Ready<Result<Tenant, Refusal>>;

    fn authenticate(&self, credential: Credential) -> Self::Future {
        ready(self.find(credential.expose()).map_err(Refusal::from))
    }
}

impl fmt::Debug for StaticKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StaticKeys({} keys)", self.len())
    }
}

fn table<K>(keys: impl IntoIterator<Item = K>) -> Result<Table, ConfigError>
where
    K: Into<StaticKey>,
{
    let mut table = Table::new();
    for key in keys {
        let key = key.into();
        key.check()?;
        match table.entry(*key.digest()) {
            Entry::Vacant(place) => place.insert(key),
            Entry::Occupied(first) => {
                let (first, second) = (first.get().tenant(), key.tenant());
                return Err(ConfigError::duplicate(first.id(), second.id()));
            }
        };
    }
    Ok(table)
}
