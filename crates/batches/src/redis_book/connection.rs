use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::cluster::ClusterClientBuilder;
use redis::cluster_async::ClusterConnection;
use redis::{AsyncConnectionConfig, Client, FromRedisValue, Pipeline, RedisError};

use crate::redis_book::address::Address;

/// A connection to a server, or to the nodes of a cluster.
#[derive(Clone)]
pub(crate) enum Connection {
    Server(MultiplexedConnection),
    Cluster(ClusterConnection),
}

// === impl Connection ===

impl Connection {
    /// Connects within so long.
    pub(crate) async fn make(address: &Address, within: Duration) -> Result<Self, RedisError> {
        if address.is_cluster() {
            let client = ClusterClientBuilder::new(address.nodes.clone())
                .tcp_settings(Address::tcp())
                .retries(1)
                .connection_timeout(within)
                .response_timeout(within)
                .overall_response_timeout(Some(within))
                .build()?;
            return Ok(Self::Cluster(client.get_async_connection().await?));
        }
        let Some(node) = address.nodes.first().cloned() else {
            // An address has at least one.
            return Err(std::io::Error::other("there is no server").into());
        };
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(within))
            // Who asks has a deadline of its own.
            .set_response_timeout(None);
        let client = Client::open(node)?;
        let connection = client.get_multiplexed_async_connection_with_config(&config);
        Ok(Self::Server(connection.await?))
    }

    /// Sends commands about one batch, in one go.
    pub(crate) async fn send<T>(&mut self, commands: &Pipeline) -> Result<T, RedisError>
    where
        T: FromRedisValue,
    {
        match self {
            Self::Server(connection) => commands.query_async(connection).await,
            Self::Cluster(connection) => commands.query_async(connection).await,
        }
    }
}
