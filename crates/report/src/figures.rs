//! Which plots there are, and what each shows.

mod bench;
mod efficiency;
mod evaluation;
mod training;

pub use bench::{SHOWN as BENCH_SHOWN, bench};
pub use efficiency::efficiency;
pub use evaluation::evaluation;
pub use training::training;

use super::canvas::Plot;
use super::render::render;
use super::{Figure, ReportError};

fn figure(id: String, caption: String, plot: &impl Plot) -> Result<Figure, ReportError> {
    let (svg, png) = render(&id, plot)?;
    Ok(Figure { id, caption, svg: Some(svg), png })
}
