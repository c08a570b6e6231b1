use bytes::Bytes;

/// Where an answer's bytes are cut into body frames.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Split {
    /// One frame.
    Whole,
    /// One frame a byte.
    EveryByte,
    /// Frames of so many bytes; 0 is taken for 1.
    Every(usize),
    /// A cut before each of these offsets, in any order; those outside are ignored.
    At(Vec<usize>),
    /// One frame for each server-sent event; anything else stays whole.
    Events,
}

// === impl Split ===

impl Split {
    /// Cuts the bytes; all frames together are the bytes again, and no frame is empty.
    pub(crate) fn cut(&self, bytes: &Bytes, event_ends: &[usize]) -> Vec<Bytes> {
        match self {
            Self::Whole => cut_at(bytes, []),
            Self::EveryByte => cut_at(bytes, 1..bytes.len()),
            Self::Every(size) => {
                let size = (*size).max(1);
                cut_at(bytes, (size..bytes.len()).step_by(size))
            }
            Self::At(offsets) => {
                let mut offsets = offsets.clone();
                offsets.sort_unstable();
                cut_at(bytes, offsets)
            }
            Self::Events => cut_at(bytes, event_ends.iter().copied()),
        }
    }
}

/// Offsets must not fall; repeated ones and those outside are skipped.
fn cut_at(bytes: &Bytes, offsets: impl IntoIterator<Item = usize>) -> Vec<Bytes> {
    let mut frames = Vec::new();
    let mut start = 0;
    for offset in offsets {
        if offset > start && offset < bytes.len() {
            frames.push(bytes.slice(start..offset));
            start = offset;
        }
    }
    if start < bytes.len() {
        frames.push(bytes.slice(start..));
    }
    frames
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(split: &Split) -> Vec<usize> {
        split
            .cut(&Bytes::from_static(b"0123456789"), &[4, 8])
            .iter()
            .map(Bytes::len)
            .collect()
    }

    #[test]
    fn cuts_where_it_is_told_to() {
        assert_eq!(sizes(&Split::Whole), [10]);
        assert_eq!(sizes(&Split::EveryByte), [1; 10]);
        assert_eq!(sizes(&Split::Every(4)), [4, 4, 2]);
        assert_eq!(sizes(&Split::Events), [4, 4, 2]);
        assert_eq!(sizes(&Split::At(vec![7, 2, 2, 0, 10, 99])), [2, 5, 3]);
    }

    #[test]
    fn takes_a_frame_size_of_nothing_for_one() {
        assert_eq!(sizes(&Split::Every(0)), [1; 10]);
    }

    #[test]
    fn makes_no_frame_of_no_bytes() {
        assert!(Split::Whole.cut(&Bytes::new(), &[]).is_empty());
    }
}
