/// What the books of a stack say of one call.
///
/// Money is in pico-dollars.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Booking {
    /// How many records were written.
    pub records: usize,
    /// How many attempts the record has.
    pub attempts: usize,
    /// The target the record names.
    pub target: Option<String>,
    /// How the call ended, in the record's words.
    pub outcome: String,
    /// The `error.type` in the record.
    pub error_type: Option<String>,
    /// Where the record's counts come from, in its own words.
    pub usage_source: String,
    /// What the call costs; `None` where that is not known.
    pub cost: Option<u128>,
    /// The requests charged to the budget.
    pub charged_requests: u64,
    /// The input tokens charged to the budget.
    pub charged_input: u64,
    /// The output tokens charged to the budget.
    pub charged_output: u64,
    /// The money charged to the budget.
    pub charged_cost: u128,
    /// Whether the budget still holds anything back.
    pub is_held: bool,
    /// What has become of the first target.
    pub first_target: String,
}
