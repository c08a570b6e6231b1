use redis::{Cmd, RedisError, Value};

use crate::redis::address::Address;
use crate::redis::connection::Connection;

/// Whether a server keeps what it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Policy {
    /// It does.
    Keeps,
    /// It forgets when memory is short: its `maxmemory-policy` is not `noeviction`, but this.
    Evicts(Box<str>),
    /// It is older than 7.0, with this version.
    TooOld(Box<str>),
    /// It does not say.
    Unknown,
}

// === impl Policy ===

impl Policy {
    /// Asks every node.
    pub(crate) async fn of(address: &Address) -> Result<Self, RedisError> {
        let mut worst = Self::Keeps;
        for node in &address.nodes {
            let node = Address {
                nodes: vec![node.clone()],
            };
            let mut connection = Connection::make(&node).await?;
            match Self::of_node(&mut connection).await {
                Self::Keeps => {}
                Self::Unknown => worst = Self::Unknown,
                bad => return Ok(bad),
            }
        }
        Ok(worst)
    }

    async fn of_node(connection: &mut Connection) -> Self {
        let server = info(connection, "server").await;
        if let Some(version) = field(&server, "redis_version") {
            let major = version
                .split('.')
                .next()
                .and_then(|major| major.parse().ok());
            if major.is_some_and(|major: u32| major < 7) {
                return Self::TooOld(version.into());
            }
        }
        let memory = info(connection, "memory").await;
        match field(&memory, "maxmemory_policy") {
            Some("noeviction") => Self::Keeps,
            Some(other) => Self::Evicts(other.into()),
            None => Self::Unknown,
        }
    }
}

async fn info(connection: &mut Connection, section: &str) -> String {
    let mut info = Cmd::new();
    info.arg("INFO").arg(section);
    match connection.send(&info).await {
        Ok(Value::BulkString(bytes)) => String::from_utf8_lossy(&bytes).into_owned(),
        Ok(Value::VerbatimString { text, .. }) => text,
        _ => String::new(),
    }
}

fn field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines().find_map(|line| {
        let value = line.strip_prefix(name)?.strip_prefix(':')?;
        Some(value.trim())
    })
}
