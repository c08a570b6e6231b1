//! Exact prices of Claude: usage in, integer pico-dollars out.
