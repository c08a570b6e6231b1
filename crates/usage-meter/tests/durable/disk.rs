use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex};

/// A disk that can be held up, or broken.
#[derive(Clone, Default)]
pub(crate) struct Disk(Arc<(Mutex<State>, Condvar)>);

#[derive(Default)]
pub(crate) struct State {
    pub(crate) is_stuck: bool,
    pub(crate) is_broken: bool,
    /// How often it was asked to write.
    asked: usize,
    written: Vec<u8>,
}

impl Disk {
    pub(crate) fn set(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.0.0.lock().unwrap());
        self.0.1.notify_all();
    }

    pub(crate) fn lines(&self) -> usize {
        let written = &self.0.0.lock().unwrap().written;
        written.iter().filter(|byte| **byte == b'\n').count()
    }

    /// Waits until it was asked to write so often.
    pub(crate) fn wait_until_asked(&self, times: usize) {
        let (state, changed) = &*self.0;
        let state = state.lock().unwrap();
        drop(changed.wait_while(state, |state| state.asked < times));
    }
}

impl Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let (state, changed) = &*self.0;
        let mut state = state.lock().unwrap();
        state.asked += 1;
        changed.notify_all();
        let mut state = changed.wait_while(state, |state| state.is_stuck).unwrap();
        if state.is_broken {
            return Err(io::ErrorKind::StorageFull.into());
        }
        state.written.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
