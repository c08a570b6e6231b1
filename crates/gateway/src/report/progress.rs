use std::io::{self, Read, Write};
use std::time::Duration;

use tokio::time::Instant;

/// Shows how far a source has been read, on one line that is written over.
#[derive(Debug)]
pub(super) struct Progress<R, W> {
    source: R,
    /// In bytes, if it is known.
    size: Option<u64>,
    read: u64,
    began: Instant,
    shown: Instant,
    terminal: W,
}

/// How often it is shown, at most.
const PACE: Duration = Duration::from_millis(100);

/// How many characters a full bar has.
const WIDTH: u64 = 30;

// === impl Progress ===

impl<R, W> Progress<R, W>
where
    W: Write,
{
    pub(super) fn new(source: R, size: Option<u64>, terminal: W) -> Self {
        let now = Instant::now();
        Self {
            source,
            size,
            read: 0,
            began: now,
            shown: now,
            terminal,
        }
    }

    /// Takes the line away.
    pub(super) fn clear(&mut self) {
        // A terminal that is gone is no reason to stop.
        let _ = write!(self.terminal, "\r\u{1b}[K");
        let _ = self.terminal.flush();
    }

    fn show(&mut self, now: Instant) {
        self.shown = now;
        let millis = now.saturating_duration_since(self.began).as_millis();
        let line = line(self.read, self.size, millis);
        let _ = write!(self.terminal, "\r{line}\u{1b}[K");
        let _ = self.terminal.flush();
    }
}

impl<R, W> Read for Progress<R, W>
where
    R: Read,
    W: Write,
{
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(buffer)?;
        self.read = self
            .read
            .saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
        let now = Instant::now();
        if now.saturating_duration_since(self.shown) >= PACE {
            self.show(now);
        }
        Ok(read)
    }
}

/// What is shown of so many bytes, read in so many milliseconds.
fn line(read: u64, size: Option<u64>, millis: u128) -> String {
    // Bytes in a millisecond are kilobytes in a second.
    let speed = u128::from(read) / millis.max(1) / 1_000;
    let megabytes = |bytes: u64| bytes / 1_000_000;
    let done = megabytes(read);
    match size {
        Some(size) if size > 0 => {
            // A ledger may grow while it is read.
            let part =
                |whole: u64| u128::from(read.min(size)) * u128::from(whole) / u128::from(size);
            let (full, percent) = (usize::try_from(part(WIDTH)).unwrap_or(0), part(100));
            let width = usize::try_from(WIDTH).unwrap_or(0);
            let bar = "#".repeat(full);
            let size = megabytes(size);
            format!("[{bar:<width$}] {percent:>3} %  {done} of {size} MB, {speed} MB/s")
        }
        _ => format!("{done} MB, {speed} MB/s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_a_bar_where_the_size_is_known() {
        let half = "[###############               ]  50 %  500 of 1000 MB, 250 MB/s";
        assert_eq!(line(500_000_000, Some(1_000_000_000), 2_000), half);
        assert_eq!(line(3_000_000, None, 0), "3 MB, 3000 MB/s");
        assert_eq!(line(5_000_000, Some(0), 1_000), "5 MB, 5 MB/s");
        assert!(line(9, Some(3), 1).contains("] 100 %  "), "it has grown");
        assert!(line(u64::MAX, Some(u64::MAX), u128::MAX).contains("100 %"));
    }

    #[tokio::test(start_paused = true)]
    async fn shows_itself_now_and_then_and_is_gone_at_the_end() {
        let mut screen = Vec::new();
        let mut progress = Progress::new(&[b'x'; 4][..], Some(4), &mut screen);
        let mut byte = [0];
        for _ in 0..4 {
            assert_eq!(progress.read(&mut byte).unwrap(), 1);
            tokio::time::advance(PACE / 2).await;
        }
        progress.clear();
        let screen = String::from_utf8(screen).unwrap();
        assert_eq!(screen.matches('\r').count(), 2, "{screen:?}");
        assert!(screen.contains("  75 %  "), "{screen:?}");
        assert!(screen.ends_with("\r\u{1b}[K"));
    }
}
