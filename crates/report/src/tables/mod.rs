//! Which tables there are: summary, comparison, worst cases, pausing, efficiency, published speeds, the bench's.

mod bench;
mod bench_rows;
mod comparison;
mod efficiency;
mod parts;
mod pausing;
mod published_speed;
mod summary;
mod worst;

pub use bench::bench;
pub use comparison::{comparison, shown};
pub use efficiency::efficiency;
pub use pausing::pausing;
pub use published_speed::published_speed;
pub use summary::summary;
pub use worst::worst;
