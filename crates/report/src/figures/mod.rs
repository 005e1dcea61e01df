//! Which plots there are, and what each shows.

mod bench;
mod bench_bars;
mod cases;
mod efficiency;
mod sweeps;
mod tokens;
mod training;

pub use bench::{SHOWN as BENCH_SHOWN, bench};
pub use cases::cases;
pub use efficiency::efficiency;
pub use sweeps::trade_offs;
pub use tokens::tokens;
pub use training::training;
