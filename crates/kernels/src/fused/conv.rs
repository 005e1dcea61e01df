//! 3 x 3 convolutions on rows, one a pixel, channels last.
//!
//! A task gathers the neighbourhoods of some output pixels and multiplies them with the packed
//! weights while they are in the cache.

use burn_flex::FlexTensor;
use rayon::prelude::*;

use super::attention::with_scratch;
use super::memory::{Shared, View, contiguous, filled, tensor, values};
use super::panels::{Finish, Panels, multiply_block};

/// Values of the neighbourhoods of one task: they should stay in the second-level cache.
const TASK_VALUES: usize = 128 * 1024;

/// The maps of a convolution with padding 1.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ConvShape {
    /// Rows and columns of the input.
    pub size: [usize; 2],
    pub channels: usize,
    pub stride: usize,
}

impl ConvShape {
    /// Rows and columns of the output.
    pub fn output(&self) -> [usize; 2] {
        self.size.map(|side| side.div_ceil(self.stride))
    }

    /// Copies the neighbourhood of an output pixel: three rows of three pixels, zeros outside.
    ///
    /// # Safety
    /// `map` must hold the input of one image and `target` 9 pixels.
    unsafe fn gather(&self, map: *const f32, pixel: usize, mut target: *mut f32) {
        let ([height, width], c) = (self.size, self.channels);
        let [_, n_cols] = self.output();
        let (row, col) = (pixel / n_cols * self.stride, pixel % n_cols * self.stride);
        let (first, last) = (col.saturating_sub(1), (col + 1).min(width - 1));
        let left = usize::from(col == 0) * c;
        let right = usize::from(col + 1 >= width) * c;
        for row in row..row + 3 {
            unsafe {
                // The row above the pixel comes first; row 0 is above the map.
                if row == 0 || row > height {
                    target.write_bytes(0, 3 * c);
                } else {
                    let source = map.add(((row - 1) * width + first) * c);
                    target.write_bytes(0, left);
                    source.copy_to_nonoverlapping(target.add(left), (last - first + 1) * c);
                    target.add(3 * c - right).write_bytes(0, right);
                }
                target = target.add(3 * c);
            }
        }
    }
}

/// `[b * h * w, c] -> [b * h' * w', c']`; the weight is `[9 c, c']`, rows of the neighbourhood first.
pub(crate) fn conv(
    x: FlexTensor,
    weight: &Panels,
    bias: Option<FlexTensor>,
    shape: ConvShape,
) -> FlexTensor {
    let x = contiguous(x);
    let map = values(&x);
    let bias = bias.map(contiguous);
    let bias = bias.as_ref().map(values);
    let [height, width] = shape.size;
    let [n_rows, n_cols] = shape.output();
    let (c, k, n) = (shape.channels, 9 * shape.channels, weight.n());
    let image = (height * width * c).max(1);
    assert!(map.len() % image == 0, "{} values in images of {image}", map.len());
    let (n_images, pixels) = (map.len() / image, n_rows * n_cols);
    let block = (TASK_VALUES / k.max(1)).clamp(14, 448).next_multiple_of(14);
    let n_blocks = pixels.div_ceil(block);
    let fill = |target: *mut f32| {
        let target = Shared(target);
        (0..n_images * n_blocks).into_par_iter().with_max_len(1).for_each(|task| {
            let map = map[task / n_blocks * image..].as_ptr();
            let first = task % n_blocks * block;
            let n_pixels = block.min(pixels - first);
            with_scratch(n_pixels * k, |rows| {
                // SAFETY: these pixels exist; the tasks write different rows of the target.
                unsafe {
                    for pixel in 0..n_pixels {
                        shape.gather(map, first + pixel, rows.add(pixel * k));
                    }
                    let rows = View::of_rows(rows, n_pixels, k, k);
                    let target = target.get().add((task / n_blocks * pixels + first) * n);
                    let finish = Finish { bias, ..Finish::default() };
                    multiply_block(target, rows, weight, finish);
                }
            });
        });
    };
    // SAFETY: the tasks write every pixel.
    let y = unsafe { filled(n_images * pixels * n, fill) };
    tensor(y, [n_images * pixels, n])
}
