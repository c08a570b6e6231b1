//! Where Claude runs: the Anthropic API and compatible endpoints as tower services.
