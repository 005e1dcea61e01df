//! Which tables there are: summary, comparison, pausing, efficiency, published speeds, the bench's.

mod bench;
mod bench_rows;
mod comparison;
mod efficiency;
mod parts;
mod pausing;
mod published_speed;
mod summary;

pub use bench::bench;
pub use comparison::comparison;
pub use efficiency::efficiency;
pub use pausing::pausing;
pub use published_speed::published_speed;
pub use summary::summary;
