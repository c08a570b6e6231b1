#![cfg_attr(docsrs, feature(doc_cfg))]
//! Exact prices of Claude: usage in, integer pico-dollars out.
//!
//! ```
//! use std::time::SystemTime;
//!
//! use tower_claude_core::Usage;
//! use tower_claude_pricing::{Call, PriceTable};
//!
//! let usage = Usage::from_json(br#"{
//!     "input_tokens": 388, "output_tokens": 205,
//!     "iterations": [
//!         {"type": "message", "model": "claude-fable-5-2", "input_tokens": 511, "output_tokens": 0},
//!         {"type": "fallback_message", "model": "claude-opus-4-8", "input_tokens": 388, "output_tokens": 205}
//!     ]
//! }"#).expect("a usage object");
//!
//! // The first model declined before it wrote anything, which is reported but not billed.
//! let table = PriceTable::builtin();
//! let call = Call::new("claude-opus-4-8", SystemTime::now().into());
//! assert_eq!(table.cost(&call, &usage)?.to_string(), "0.007065");
//! # Ok::<(), tower_claude_pricing::Unpriced>(())
//! ```
//!
//! # Your own prices
//!
//! A price of your own goes before the built-in one, from its day on. What has no price is
//! [`Unpriced`], with the reason, and never zero.
//!
//! ```
//! use tower_claude_core::Usage;
//! use tower_claude_pricing::{Call, Day, Platform, Price, PriceTable, Rate, Rates, Unpriced};
//!
//! let rates = Rates::new(Rate::per_million_tokens("3")?, Rate::per_million_tokens("15")?);
//! let table = PriceTable::builtin().price("my-deployment", Price::new(rates));
//!
//! let usage = Usage::from_json(br#"{"input_tokens": 1000, "output_tokens": 100}"#).unwrap();
//! let call = Call::new("my-deployment", Day::EPOCH).platform(Platform::Foundry);
//! assert_eq!(table.cost(&call, &usage)?.to_string(), "0.0045");
//!
//! let call = Call::new("another-deployment", Day::EPOCH).platform(Platform::Foundry);
//! assert!(matches!(table.cost(&call, &usage), Err(Unpriced::UnknownModel(_))));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Before the call
//!
//! [`PriceTable::worst_case`] is an upper bound to reserve, [`PriceTable::is_priced`] says
//! whether a model can be priced at all, [`PriceTable::lookup`] shows the price that would hold.
//!
//! ```
//! use tower_claude_pricing::{Call, Day, PriceTable};
//!
//! let call = Call::new("claude-haiku-4-5", Day::EPOCH);
//! let most = PriceTable::builtin().worst_case(&call, 1_000, 4_096)?;
//! assert_eq!(most.to_string(), "0.02248");
//! # Ok::<(), tower_claude_pricing::Unpriced>(())
//! ```
//!
//! # What is billed
//!
//! - Without `iterations`, the top-level counts at the model that answered. With them, every
//!   iteration at its own model; one without a model is the answering model's.
//! - An attempt that declined before any output is not billed: its turns wrote nothing, and
//!   either a fallback follows or the call ended in a refusal. Any output bills the attempt.
//! - Cache writes by their lifetime. What only the sum accounts for is billed as five minutes; a
//!   split that is more than the sum is believed.
//! - The length tier of each iteration, or of the whole call without them, goes by the prompt
//!   with cache reads and writes. Above the limit every token has the higher price.
//! - The speed that usage reports, not the one that was asked for. A part of another model than
//!   the one that answered is priced as standard where that model does not offer fast mode.
//! - A batch is half price, `inference_geo` `us` and regional endpoints cost their factor; these
//!   multiply. They apply to tokens of every class and never to web searches.
//! - `inference_geo` prices calls to Anthropic's own API only; on other platforms the endpoint
//!   decides: the prefix of the model id on Bedrock, [`Call::regional`] elsewhere.
//! - The priority tier is priced as standard.
//!
//! Not visible in usage and so not priced: container hours of code execution, storage, and
//! credits for a refused call's cache.
//!
//! # Exactness
//!
//! Everything is an integer: rates in pico-dollars per token, multipliers in thousandths. The
//! terms of a bill share one denominator and are divided once. The built-in table never leaves a
//! remainder; where a price or multiplier of your own does, the total is rounded up to a whole
//! pico-dollar. Sums beyond 128 bits stop at [`Cost::MAX`].

mod answered;
mod bill;
mod call;
mod cost;
mod day;
mod decimal;
mod model_id;
mod multiplier;
mod platform;
mod price;
mod price_table;
mod prices;
mod pricing;
mod quote;
mod rate;
mod rates;
mod table;
mod terms;
mod tokens;
mod unpriced;

pub use answered::{Answered, served_model};
pub use call::Call;
pub use cost::Cost;
pub use day::Day;
pub use decimal::ParseCostError;
pub use model_id::model_name;
pub use multiplier::Multiplier;
pub use platform::Platform;
pub use price::{LongPrompt, Price};
pub use price_table::PriceTable;
pub use prices::Prices;
pub use quote::Quote;
pub use rate::Rate;
pub use rates::Rates;
pub use unpriced::Unpriced;
