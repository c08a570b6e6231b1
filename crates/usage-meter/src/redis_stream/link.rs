use std::fmt;
use std::time::Duration;

use redis::{Client, Connection, Value};

use super::address::Address;
use super::batch::Batch;
use super::link_error::LinkError;

/// A way to the server that never waits longer than it should.
///
/// It answers for one connection at a time, and makes the next one only when it is asked to.
pub(super) struct Link {
    address: Address,
    timeout: Duration,
    connection: Option<Connection>,
}

// === impl Link ===

impl Link {
    pub(super) const fn new(address: Address, timeout: Duration) -> Self {
        Self {
            address,
            timeout,
            connection: None,
        }
    }

    pub(super) const fn is_connected(&self) -> bool {
        self.connection.is_some()
    }

    /// Sends a batch, connecting first if need be; takes out of it what has arrived, although
    /// others failed.
    ///
    /// Whatever fails, the next try is over a new connection: what is still to come on this one
    /// would be taken for answers to something else.
    pub(super) fn send(&mut self, batch: &mut Batch) -> Result<(), LinkError> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.connect()?,
        };
        if !batch.is_empty() {
            let sent = exchange(&mut connection, batch);
            batch.settle();
            sent?;
        }
        self.connection = Some(connection);
        Ok(())
    }

    /// Connects to a server that answers.
    ///
    /// One that holds connections without answering may do what it is told when it goes on, so
    /// that everything sent before it has answered would be there twice.
    fn connect(&self) -> Result<Connection, LinkError> {
        let client = Client::open(self.address.info())?;
        let mut connection = client.get_connection_with_timeout(self.timeout)?;
        connection.set_read_timeout(Some(self.timeout))?;
        connection.set_write_timeout(Some(self.timeout))?;
        connection.send_packed_command(&redis::cmd("PING").get_packed_command())?;
        match connection.recv_response()? {
            Value::SimpleString(_) | Value::BulkString(_) => Ok(connection),
            Value::ServerError(error) => Err(LinkError::refused(&error)),
            _ => Err(LinkError::Strange),
        }
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link")
            .field("address", &self.address)
            .field("timeout", &self.timeout)
            .field("is_connected", &self.is_connected())
            .finish()
    }
}

/// Sends all commands, then reads an answer to each.
///
/// Not by the client's own pipeline, which waits for the rest of the answers, each for the whole
/// timeout, when one has not come in time.
fn exchange(connection: &mut Connection, batch: &mut Batch) -> Result<(), LinkError> {
    connection.send_packed_command(batch.commands())?;
    let mut refused = None;
    for place in 0..batch.len() {
        match connection.recv_response()? {
            // The id of the entry.
            Value::BulkString(_) => batch.arrived(place),
            // As when there is no memory left for this one: others may have fitted.
            Value::ServerError(error) => {
                refused.get_or_insert_with(|| LinkError::refused(&error));
            }
            _ => return Err(LinkError::Strange),
        }
    }
    refused.map_or(Ok(()), Err)
}
