use std::error::Error;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use redis::io::tcp::TcpSettings;
use redis::io::tcp::socket2::TcpKeepalive;
use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo};

/// Where Redis is: one server, or the nodes of a cluster.
#[derive(Clone)]
pub(crate) struct Address {
    pub(crate) nodes: Vec<ConnectionInfo>,
}

/// An address of Redis that cannot be read. It does not repeat the address, in which there may
/// be a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressError(&'static str);

/// An idle connection is tried so often, lest something on the way forgets it.
const KEEPALIVE: Duration = Duration::from_secs(15);

// === impl Address ===

impl Address {
    pub(crate) const fn is_cluster(&self) -> bool {
        self.nodes.len() > 1
    }

    pub(crate) fn tcp() -> TcpSettings {
        TcpSettings::default()
            .set_nodelay(true)
            .set_keepalive(TcpKeepalive::new().with_time(KEEPALIVE))
    }

    /// What the client would find out only when it connects, and then each time.
    fn check(&self) -> Result<(), AddressError> {
        let Some(first) = self.nodes.first() else {
            return Err(AddressError("it is empty"));
        };
        let is_tls = |node: &ConnectionInfo| matches!(node.addr(), ConnectionAddr::TcpTls { .. });
        for node in &self.nodes {
            if let ConnectionAddr::TcpTls { insecure: true, .. } = node.addr() {
                return Err(AddressError("#insecure is not supported"));
            }
            if node.redis_settings().db() < 0 {
                return Err(AddressError("its database is below zero"));
            }
            if self.is_cluster() && node.redis_settings().db() != 0 {
                return Err(AddressError("a cluster has one database"));
            }
            if is_tls(node) != is_tls(first) {
                return Err(AddressError("the nodes of a cluster mix redis and rediss"));
            }
            let (one, other) = (first.redis_settings(), node.redis_settings());
            if (one.username(), one.password()) != (other.username(), other.password()) {
                return Err(AddressError(
                    "the nodes of a cluster need the same user and password",
                ));
            }
        }
        Ok(())
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let mut nodes = Vec::new();
        for node in text.split(',').map(str::trim) {
            if !node.starts_with("redis://") && !node.starts_with("rediss://") {
                return Err(AddressError("it has to begin with redis:// or rediss://"));
            }
            if node.starts_with("rediss://") && !cfg!(feature = "redis-tls") {
                return Err(AddressError(
                    "rediss:// needs a build with the feature redis-tls",
                ));
            }
            // The client's own error is not kept: it may quote the address.
            let info = node
                .into_connection_info()
                .map_err(|_| AddressError("it is no address of Redis"))?;
            nodes.push(info.set_tcp_settings(Self::tcp()));
        }
        let address = Self { nodes };
        address.check()?;
        Ok(address)
    }
}

/// Without user and password.
impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut list = f.debug_list();
        for node in &self.nodes {
            match node.addr() {
                ConnectionAddr::Tcp(host, port) => list.entry(&format_args!("{host}:{port}")),
                ConnectionAddr::TcpTls { host, port, .. } => {
                    list.entry(&format_args!("{host}:{port} (TLS)"))
                }
                _ => list.entry(&format_args!("…")),
            };
        }
        list.finish()
    }
}

// === impl AddressError ===

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an address of Redis cannot be read: {}", self.0)
    }
}

impl Error for AddressError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_a_cluster_and_no_text_shows_a_password() {
        let one: Address = "redis://user:hunter2@127.0.0.1:6379/2".parse().unwrap();
        assert!(!one.is_cluster());
        assert_eq!(format!("{one:?}"), "[127.0.0.1:6379]");
        let many: Address = "redis://127.0.0.1:1, redis://127.0.0.1:2".parse().unwrap();
        assert!(many.is_cluster());
    }

    #[test]
    fn what_no_client_could_use_is_refused_without_being_repeated() {
        for text in [
            "",
            "localhost",
            "http://:hunter2@x",
            "redis://:hunter2@x:notaport",
            ",",
            "redis://:hunter2@h:1,redis://:other@h:2",
            "redis://h:1/2,redis://h:2/2",
            "redis://:hunter2@h:1/-1",
            "rediss://:hunter2@h:1/#insecure",
        ] {
            let error = text.parse::<Address>().unwrap_err().to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[cfg(feature = "redis-tls")]
    #[test]
    fn addresses_with_tls_are_all_or_none() {
        assert!("rediss://h:1,rediss://h:2".parse::<Address>().is_ok());
        assert!("rediss://h:1,redis://h:2".parse::<Address>().is_err());
    }
}
