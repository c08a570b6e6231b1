use crate::frames::FrameError;

/// What a frame says of itself before it begins, checked: how long it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Prelude {
    /// Bytes of the whole frame, prelude and last checksum included.
    pub(crate) total: usize,
    /// Bytes of its headers.
    pub(crate) headers: usize,
}

// === impl Prelude ===

impl Prelude {
    /// Two lengths and their checksum.
    pub(crate) const LENGTH: usize = 12;
    /// The checksum at the end of a frame.
    pub(crate) const CHECKSUM: usize = 4;
    /// The most bytes of headers that the format allows.
    pub(crate) const MOST_HEADERS: usize = 128 * 1024;
    /// The most bytes of payload that the format allows.
    pub(crate) const MOST_PAYLOAD: usize = 24 * 1024 * 1024;

    /// Reads a prelude. Nothing is believed before the checksum and the bounds are.
    pub(crate) fn read(bytes: &[u8; Self::LENGTH]) -> Result<Self, FrameError> {
        let [t0, t1, t2, t3, h0, h1, h2, h3, checksum @ ..] = *bytes;
        if crc32fast::hash(&[t0, t1, t2, t3, h0, h1, h2, h3]) != u32::from_be_bytes(checksum) {
            return Err(FrameError::PreludeChecksum);
        }
        let length = |bytes| usize::try_from(u32::from_be_bytes(bytes)).ok();
        let total = length([t0, t1, t2, t3]).ok_or(FrameError::Length)?;
        let headers = length([h0, h1, h2, h3]).ok_or(FrameError::Length)?;
        let payload = total
            .checked_sub(Self::LENGTH + Self::CHECKSUM)
            .and_then(|rest| rest.checked_sub(headers));
        match payload {
            Some(payload) if payload <= Self::MOST_PAYLOAD && headers <= Self::MOST_HEADERS => {
                Ok(Self { total, headers })
            }
            _ => Err(FrameError::Length),
        }
    }

    /// How many bytes come before the last checksum.
    pub(crate) const fn checked(self) -> usize {
        self.total - Self::CHECKSUM
    }

    /// How many bytes of payload it announces.
    pub(crate) const fn payload(self) -> usize {
        self.checked() - Self::LENGTH - self.headers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(total: u32, headers: u32) -> Result<Prelude, FrameError> {
        let mut bytes = [total.to_be_bytes(), headers.to_be_bytes()].concat();
        bytes.extend_from_slice(&crc32fast::hash(&bytes).to_be_bytes());
        Prelude::read(bytes.first_chunk().unwrap())
    }

    #[test]
    fn lengths_are_believed_up_to_the_bounds_of_the_format() {
        const HEADERS: u32 = 128 * 1024;
        const PAYLOAD: u32 = 24 * 1024 * 1024;
        for (total, headers, payload) in [
            (16, 0, 0),
            (17, 0, 1),
            (100, 84, 0),
            (16 + HEADERS + PAYLOAD, HEADERS, 24 * 1024 * 1024),
        ] {
            let prelude = read(total, headers).unwrap();
            assert_eq!(prelude.payload(), payload, "{total} {headers}");
        }
        for (total, headers) in [
            (0, 0),
            (15, 0),
            (16, 1),
            (100, 85),
            (100, u32::MAX),
            (u32::MAX, 0),
            (16 + PAYLOAD + 1, 0),
            (16 + HEADERS + 1, HEADERS + 1),
        ] {
            let error = read(total, headers).err();
            assert_eq!(error, Some(FrameError::Length), "{total} {headers}");
        }
    }

    #[test]
    fn a_wrong_checksum_is_told_before_any_length_is_looked_at() {
        let mut bytes = [0x7f; Prelude::LENGTH];
        assert_eq!(
            Prelude::read(&bytes).err(),
            Some(FrameError::PreludeChecksum)
        );
        let right = crc32fast::hash(&bytes[..8]);
        bytes[8..].copy_from_slice(&right.to_be_bytes());
        assert_eq!(Prelude::read(&bytes).err(), Some(FrameError::Length));
    }
}
