//! How things are drawn: colors, text, axes, lines and bars as SVG, and SVG as pixels.

pub mod axis;
pub mod bars;
pub mod canvas;
pub mod color;
pub mod dots;
pub mod lines;
pub mod raster;
