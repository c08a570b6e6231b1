use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use redis::io::tcp::TcpSettings;
use redis::io::tcp::socket2::TcpKeepalive;
use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo, ProtocolVersion};

use super::RedisAddressError;

/// Where Redis is: one server.
#[derive(Clone)]
pub(super) struct Address(ConnectionInfo);

/// After so long without an acknowledgement, a connection is given up.
#[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
const USER_TIMEOUT: Duration = Duration::from_secs(2);

/// An idle connection is tried so often, lest something on the way forgets it.
const KEEPALIVE: Duration = Duration::from_secs(15);

// === impl Address ===

impl Address {
    /// What the client connects with.
    pub(super) fn info(&self) -> ConnectionInfo {
        self.0.clone()
    }

    fn tcp() -> TcpSettings {
        let settings = TcpSettings::default()
            .set_nodelay(true)
            .set_keepalive(TcpKeepalive::new().with_time(KEEPALIVE));
        #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
        let settings = settings.set_user_timeout(USER_TIMEOUT);
        settings
    }
}

impl FromStr for Address {
    type Err = RedisAddressError;

    fn from_str(text: &str) -> Result<Self, RedisAddressError> {
        let refused = |problem| Err(RedisAddressError::new(problem));
        if !text.starts_with("redis://") && !text.starts_with("rediss://") {
            return refused("it has to begin with redis:// or rediss://");
        }
        if text.starts_with("rediss://") && !cfg!(feature = "redis-tls") {
            return refused("rediss:// needs a build with the feature redis-tls");
        }
        if text.contains(',') {
            return refused("a stream is at one server, and a list of them is a cluster");
        }
        let Ok(info) = text.into_connection_info() else {
            return refused("it is no address of redis");
        };
        if let ConnectionAddr::TcpTls { insecure: true, .. } = info.addr() {
            return refused("#insecure is not supported");
        }
        let settings = info.redis_settings().clone();
        if settings.db() < 0 {
            return refused("its database is below zero");
        }
        // Each further command of a greeting is a further wait if nobody answers, and pushed
        // messages would stand between the answers.
        let settings = settings
            .set_skip_set_lib_name()
            .set_protocol(ProtocolVersion::RESP2);
        let info = info.set_tcp_settings(Self::tcp());
        Ok(Self(info.set_redis_settings(settings)))
    }
}

/// Without user and password.
impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.addr() {
            ConnectionAddr::Tcp(host, port) => write!(f, "{host}:{port}"),
            ConnectionAddr::TcpTls { host, port, .. } => write!(f, "{host}:{port} (TLS)"),
            _ => f.write_str("…"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_shows_a_password() {
        let one: Address = "redis://user:hunter2@127.0.0.1:6379/2".parse().unwrap();
        assert_eq!(format!("{one:?}"), "127.0.0.1:6379");
        for text in [
            "",
            "localhost",
            "http://:hunter2@x",
            "redis://:hunter2@x:notaport",
            "redis://:hunter2@x/-1",
            "redis://:hunter2@x,redis://:hunter2@y",
        ] {
            let error = text.parse::<Address>().unwrap_err();
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn addresses_with_tls_need_the_feature_and_are_always_verified() {
        let is_built = cfg!(feature = "redis-tls");
        assert_eq!("rediss://h:1".parse::<Address>().is_ok(), is_built);
        assert!("rediss://h:1/#insecure".parse::<Address>().is_err());
    }

    #[test]
    fn connections_are_kept_alive_and_send_at_once() {
        let settings = Address::tcp();
        assert!(settings.nodelay() && settings.keepalive().is_some());
    }
}
