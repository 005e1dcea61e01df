//! The regression suite: what moved, and how each figure went over time.

mod benchmark;
mod history;
mod table;

pub use benchmark::benchmark_json;
pub use history::page;
pub use table::markdown;
