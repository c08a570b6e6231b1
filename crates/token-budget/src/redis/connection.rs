use std::time::Duration;

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::cluster::ClusterClientBuilder;
use redis::cluster_async::ClusterConnection;
use redis::{AsyncConnectionConfig, Client, Cmd, RedisError, Value};

use crate::redis::address::Address;

/// A connection to a server, or to the nodes of a cluster.
#[derive(Clone)]
pub(crate) enum Connection {
    Server(MultiplexedConnection),
    Cluster(ClusterConnection),
}

// === impl Connection ===

impl Connection {
    pub(crate) async fn make(address: &Address) -> Result<Self, RedisError> {
        if !address.is_cluster() {
            let client = Client::open(address.nodes[0].clone())?;
            // Who calls has a deadline of its own.
            let config = AsyncConnectionConfig::new()
                .set_connection_timeout(Some(Duration::from_secs(1)))
                .set_response_timeout(None);
            let connection = client.get_multiplexed_async_connection_with_config(&config);
            return Ok(Self::Server(connection.await?));
        }
        let client = ClusterClientBuilder::new(address.nodes.clone())
            .tcp_settings(Address::tcp())
            .retries(1)
            .min_retry_wait(5)
            .max_retry_wait(20)
            .connection_timeout(Duration::from_millis(100))
            .response_timeout(Duration::from_millis(100))
            .overall_response_timeout(Some(Duration::from_millis(200)))
            .build()?;
        Ok(Self::Cluster(client.get_async_connection().await?))
    }

    /// Sends a command; an error of the server is an error.
    pub(crate) async fn send(&mut self, cmd: &Cmd) -> Result<Value, RedisError> {
        let answer = match self {
            Self::Server(connection) => connection.req_packed_command(cmd).await,
            Self::Cluster(connection) => connection.req_packed_command(cmd).await,
        };
        match answer? {
            Value::ServerError(error) => Err(error.into()),
            value => Ok(value),
        }
    }

    /// Whether somebody answers.
    pub(crate) async fn ping(&mut self) -> Result<(), RedisError> {
        // A cluster has answered when it was connected to.
        if matches!(self, Self::Server(_)) {
            let mut ping = Cmd::new();
            self.send(ping.arg("PING")).await?;
        }
        Ok(())
    }
}
