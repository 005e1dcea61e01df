//! `scipy.ndimage`'s `zoom` and `rotate` and `numpy.rot90`, to the last pixel, for slices.

mod rotate;
mod spline;
mod zoom;

pub use rotate::{rot90, rotate_nearest, rotation_sources};
pub use zoom::{nearest_sources, zoom_cubic, zoom_nearest};
