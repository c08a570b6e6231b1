use tower_claude_core::Timestamp;

use super::Column;
use super::facts::Facts;

/// Makes the keys that calls are told apart by: one run of bytes for all columns.
///
/// Every cell is followed by a byte that no text has; another such byte stands for `null`.
#[derive(Debug, Default)]
pub(super) struct KeyWriter {
    key: Vec<u8>,
    /// The day of the last key since the Unix epoch, and how it prints.
    today: Option<(i64, [u8; 10])>,
}

const NULL: u8 = 0xFE;
const END: u8 = 0xFF;
const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

// === impl KeyWriter ===

impl KeyWriter {
    /// The key of a call.
    pub(super) fn write(&mut self, columns: &[Column], facts: &Facts<'_>) -> &[u8] {
        self.key.clear();
        for column in columns {
            let text = match column {
                Column::Tenant => facts.tenant,
                Column::User => facts.user,
                Column::Feature => facts.feature,
                Column::Session => facts.session,
                Column::Endpoint => facts.endpoint,
                Column::Model => facts.model,
                Column::ServedModel => facts.served_model,
                Column::Target => facts.target,
                Column::Platform => facts.platform,
                Column::Outcome => Some(facts.outcome.as_str()),
                Column::ServiceTier => facts.service_tier,
                Column::Status => {
                    self.status(facts.status);
                    continue;
                }
                Column::Day | Column::Hour | Column::Month => {
                    self.time(*column, facts.timestamp);
                    continue;
                }
            };
            match text {
                Some(text) => self.key.extend_from_slice(text.as_bytes()),
                None => self.key.push(NULL),
            }
            self.key.push(END);
        }
        &self.key
    }

    fn status(&mut self, status: Option<u16>) {
        match status {
            Some(status) => self.key.extend_from_slice(status.to_string().as_bytes()),
            None => self.key.push(NULL),
        }
        self.key.push(END);
    }

    fn time(&mut self, column: Column, timestamp: Timestamp) {
        let millis = timestamp.unix_millis();
        let day = millis.div_euclid(DAY);
        let date = match self.today {
            Some((today, date)) if today == day => date,
            _ => {
                let text = Timestamp::from_unix_millis(day.saturating_mul(DAY)).to_string();
                let date = text.as_bytes().first_chunk().copied().unwrap_or_default();
                self.today = Some((day, date));
                date
            }
        };
        match column {
            Column::Month => self.key.extend_from_slice(&date[..7]),
            Column::Hour => {
                let hour = millis.rem_euclid(DAY) / HOUR;
                self.key.extend_from_slice(&date);
                let hour = format!("T{hour:02}:00:00Z");
                self.key.extend_from_slice(hour.as_bytes());
            }
            _ => self.key.extend_from_slice(&date),
        }
        self.key.push(END);
    }
}

/// The cells of a key, in the order of the columns; `None` is `null`.
pub(super) fn cells(key: &[u8]) -> impl Iterator<Item = Option<&str>> + Clone {
    let key = key.strip_suffix(&[END]);
    let cells = key
        .into_iter()
        .flat_map(|key| key.split(|byte| *byte == END));
    // They were texts when they were written.
    cells.map(|cell| (cell != [NULL]).then(|| std::str::from_utf8(cell).unwrap_or_default()))
}
