use std::error::Error;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::{FromRedisValue, Pipeline, RedisError};
use tokio::time::timeout;

use crate::BookError;
use crate::redis_book::address::Address;
use crate::redis_book::connection::Connection;

/// A way to Redis: made when it is needed, and made anew when it is of no use any more.
pub(crate) struct Link {
    address: Address,
    timeout: Duration,
    live: Mutex<Option<Live>>,
    /// Held by the one who connects: the others wait, and then need not.
    connecting: tokio::sync::Mutex<()>,
}

#[derive(Clone)]
struct Live {
    /// The first has 1.
    number: u64,
    connection: Connection,
}

/// Redis has not answered in time. It may have done what it was told all the same.
#[derive(Debug)]
struct Late;

// === impl Link ===

impl Link {
    pub(crate) fn new(address: Address, timeout: Duration) -> Self {
        Self {
            address,
            timeout,
            live: Mutex::new(None),
            connecting: tokio::sync::Mutex::new(()),
        }
    }

    /// Sends commands about one batch, and sends them again if the connection is found dead:
    /// twice they must do no more than once.
    ///
    /// Takes no longer than the timeout, connecting included.
    pub(crate) async fn ask<T>(&self, commands: &Pipeline) -> Result<T, BookError>
    where
        T: FromRedisValue,
    {
        // Of the connection that is in use.
        let mut number = 0;
        let answer = timeout(self.timeout, self.try_twice(commands, &mut number)).await;
        match answer {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => {
                if is_of_connection(&error) || error.is_timeout() {
                    self.forget(number);
                }
                Err(BookError::new(error))
            }
            Err(_) => {
                // One that leads nowhere is not told from one that is slow.
                self.forget(number);
                Err(BookError::new(Late))
            }
        }
    }

    async fn try_twice<T>(&self, commands: &Pipeline, number: &mut u64) -> Result<T, RedisError>
    where
        T: FromRedisValue,
    {
        let mut live = self.connect().await?;
        *number = live.number;
        let error = match live.connection.send(commands).await {
            Err(error) if is_of_connection(&error) => error,
            answer => return answer,
        };
        // It may have been idle for too long; if not, the second will fail as well.
        drop(error);
        self.forget(live.number);
        let mut live = self.connect().await?;
        *number = live.number;
        live.connection.send(commands).await
    }

    async fn connect(&self) -> Result<Live, RedisError> {
        let live = self.live().clone();
        if let Some(live) = live {
            return Ok(live);
        }
        let _turn = self.connecting.lock().await;
        let live = self.live().clone();
        if let Some(live) = live {
            return Ok(live);
        }
        let connection = Connection::make(&self.address, self.timeout).await?;
        let live = Live {
            number: next_number(),
            connection,
        };
        *self.live() = Some(live.clone());
        Ok(live)
    }

    /// Lets a connection go, unless there is another one by now.
    fn forget(&self, number: u64) {
        let mut live = self.live();
        if live.as_ref().is_some_and(|live| live.number == number) {
            *live = None;
        }
    }

    fn live(&self) -> MutexGuard<'_, Option<Live>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link")
            .field("address", &self.address)
            .field("timeout", &self.timeout)
            .field("is_connected", &self.live().is_some())
            .finish()
    }
}

/// Whether the connection is of no use any more; another may be.
fn is_of_connection(error: &RedisError) -> bool {
    error.is_connection_dropped()
        || error.is_io_error() && !error.is_timeout()
        || error.is_unrecoverable_error()
        || matches!(error.code(), Some("READONLY" | "MASTERDOWN" | "LOADING"))
}

fn next_number() -> u64 {
    use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
    static NUMBER: AtomicU64 = AtomicU64::new(1);
    NUMBER.fetch_add(1, Relaxed)
}

// === impl Late ===

impl fmt::Display for Late {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Redis has not answered in time")
    }
}

impl Error for Late {}
