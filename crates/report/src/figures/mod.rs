//! Which plots there are, and what each shows.

mod bench;
mod bench_bars;
mod efficiency;
mod sweeps;
mod tokens;
mod training;

pub use bench::{SHOWN as BENCH_SHOWN, bench};
pub use efficiency::efficiency;
pub use sweeps::dice_against_throughput;
pub use tokens::tokens;
pub use training::training;
