/// Where the lines of a text begin, to name a byte's line.
#[derive(Debug)]
pub(in crate::config) struct Lines {
    ends: Vec<usize>,
}

// === impl Lines ===

impl Lines {
    pub(in crate::config) fn new(text: &[u8]) -> Self {
        let ends = text.iter().enumerate();
        Self {
            ends: ends
                .filter_map(|(offset, byte)| (*byte == b'\n').then_some(offset))
                .collect(),
        }
    }

    /// The line of the byte at `offset`, counted from 1.
    pub(in crate::config) fn line(&self, offset: usize) -> usize {
        self.ends.partition_point(|end| *end < offset) + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_end_belongs_to_the_line_it_ends() {
        let lines = Lines::new(b"a\n\nb");
        assert_eq!([0, 1, 2, 3, 9].map(|at| lines.line(at)), [1, 1, 2, 3, 3]);
    }
}
