use std::io::{self, Write};

/// What lines are written to.
pub(crate) trait Output: Write + Send {
    /// Says that so many bytes of whole lines come next.
    fn begin(&mut self, bytes: u64) -> io::Result<()>;

    /// Has everything on the disk, flushed as well.
    fn sync(&mut self) -> io::Result<()>;
}

/// Anything that can be written to.
pub(crate) struct Other<W>(pub(crate) W);

// === impl Other ===

impl<W> Write for Other<W>
where
    W: Write,
{
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl<W> Output for Other<W>
where
    W: Write + Send,
{
    fn begin(&mut self, _: u64) -> io::Result<()> {
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
