//! 3 x 3 convolutions on rows, one a pixel, channels last, and their gradients.
//!
//! A task gathers the neighbourhoods of some output pixels and multiplies them with the packed
//! weights while they are in the cache.

use burn_flex::FlexTensor;
use gemm::Parallelism;
use rayon::prelude::*;

use super::attention::with_scratch;
use super::linear::{LinearWants, add_to, row_sums};
use super::matmul::product;
use super::memory::{Shared, View, contiguous, filled, for_row_chunks, tensor, values};
use super::panels::{Finish, Matrix, multiply_block, with_packed};

/// Values of the neighbourhoods of one task: they should stay in the second-level cache.
const TASK_VALUES: usize = 128 * 1024;
/// Values of the neighbourhoods that one product of the weights' gradient runs over.
const GRADIENT_VALUES: usize = 512 * 1024;

/// The maps of a convolution with padding 1.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ConvShape {
    /// Rows and columns of the input.
    pub size: [usize; 2],
    pub channels: usize,
    pub stride: usize,
}

/// A piece of a neighbourhood that lies inside the map.
struct Part {
    /// Where it starts in the map.
    in_map: usize,
    /// Where it starts in the neighbourhood.
    in_rows: usize,
    length: usize,
}

impl ConvShape {
    /// Rows and columns of the output.
    pub fn output(&self) -> [usize; 2] {
        self.size.map(|side| side.div_ceil(self.stride))
    }

    /// Pixels of the output.
    fn n_pixels(&self) -> usize {
        self.output().iter().product()
    }

    /// Values of a neighbourhood: three rows of three pixels.
    fn depth(&self) -> usize {
        9 * self.channels
    }

    /// Values of an image.
    fn image_len(&self) -> usize {
        self.size[0] * self.size[1] * self.channels
    }

    /// Images in a map.
    fn n_images(&self, map: &[f32]) -> usize {
        let image = self.image_len().max(1);
        assert!(map.len() % image == 0, "{} values in images of {image}", map.len());
        map.len() / image
    }

    /// The parts of an output pixel's neighbourhood, one a row; there are fewer or shorter ones at the
    /// border.
    fn parts(&self, pixel: usize) -> impl Iterator<Item = Part> {
        let ([height, width], c) = (self.size, self.channels);
        let [_, n_cols] = self.output();
        let (row, col) = (pixel / n_cols * self.stride, pixel % n_cols * self.stride);
        let (first, last) = (col.saturating_sub(1), (col + 1).min(width - 1));
        let left = usize::from(col == 0);
        (0..3).filter(move |k| (1..=height).contains(&(row + k))).map(move |k| Part {
            in_map: ((row + k - 1) * width + first) * c,
            in_rows: (3 * k + left) * c,
            length: (last - first + 1) * c,
        })
    }

    /// Copies the neighbourhood of an output pixel, zeros outside.
    ///
    /// # Safety
    /// `map` must hold the input of one image and `target` 9 pixels.
    unsafe fn gather(&self, map: *const f32, pixel: usize, target: *mut f32) {
        let mut inside = 0;
        for part in self.parts(pixel) {
            inside += part.length;
            unsafe {
                let source = map.add(part.in_map);
                source.copy_to_nonoverlapping(target.add(part.in_rows), part.length);
            }
        }
        if inside < self.depth() {
            unsafe { self.clear_outside(pixel, target) };
        }
    }

    /// Zeros where the neighbourhood reaches over the border.
    unsafe fn clear_outside(&self, pixel: usize, target: *mut f32) {
        let mut done = 0;
        let end = Part { in_map: 0, in_rows: self.depth(), length: 0 };
        for part in self.parts(pixel).chain([end]) {
            unsafe { target.add(done).write_bytes(0, part.in_rows - done) };
            done = part.in_rows + part.length;
        }
    }

    /// Adds a neighbourhood to the map that it was gathered from.
    ///
    /// # Safety
    /// As for [`gather`](Self::gather).
    unsafe fn scatter(&self, source: *const f32, pixel: usize, map: *mut f32) {
        for part in self.parts(pixel) {
            unsafe { add_to(map.add(part.in_map), source.add(part.in_rows), part.length) };
        }
    }
}

/// `[b * h * w, c] -> [b * h' * w', c']`; the weight is `[9 c, c']`, rows of the neighbourhood first.
pub(crate) fn conv(x: FlexTensor, weight: &Matrix, bias: Option<FlexTensor>, shape: ConvShape) -> FlexTensor {
    let x = contiguous(x);
    let map = values(&x);
    let bias = bias.map(contiguous);
    let bias = bias.as_ref().map(values);
    let (k, n) = (shape.depth(), weight.n_cols());
    let (n_images, pixels, image) = (shape.n_images(map), shape.n_pixels(), shape.image_len());
    let block = (TASK_VALUES / k.max(1)).clamp(14, 448).next_multiple_of(14);
    let n_blocks = pixels.div_ceil(block);
    let fill = |target: *mut f32| {
        let target = Shared(target);
        weight.with_panels(|panels| {
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
                        multiply_block(target, rows, panels, finish);
                    }
                });
            });
        });
    };
    // SAFETY: the tasks write every pixel.
    let y = unsafe { filled(n_images * pixels * n, fill) };
    tensor(y, [n_images * pixels, n])
}

/// The gradients of x, weight and bias that somebody wants; x is needed for the weight's, the weight for
/// that of x.
pub(crate) fn conv_backward(
    x: Option<FlexTensor>,
    weight: Option<FlexTensor>,
    gradient: FlexTensor,
    shape: ConvShape,
    wants: LinearWants,
) -> [Option<FlexTensor>; 3] {
    let gradient = contiguous(gradient);
    let slopes = View::of(&gradient);
    let dx = weight.filter(|_| wants.x).map(|weight| input_gradient(&weight, slopes, shape));
    let dweight = x.filter(|_| wants.weight).map(|x| weight_gradient(x, slopes, shape));
    let dbias = wants.bias.then(|| tensor(row_sums(slopes), [slopes.n_cols]));
    [dx, dweight, dbias]
}

/// Products of the gradient with the turned weight, added up where the neighbourhoods came from. An
/// image is one task: its pixels overlap.
fn input_gradient(weight: &FlexTensor, slopes: View, shape: ConvShape) -> FlexTensor {
    let (k, pixels, image) = (shape.depth(), shape.n_pixels(), shape.image_len());
    let n_images = slopes.n_rows / pixels.max(1);
    let block = (TASK_VALUES / k.max(1)).clamp(14, 448).next_multiple_of(14);
    let mut dx = vec![0.0; n_images * image];
    with_packed(View::of(weight).transposed(), |panels| {
        dx.par_chunks_mut(image.max(1)).enumerate().for_each(|(i, dx)| {
            for first in (0..pixels).step_by(block) {
                let n_pixels = block.min(pixels - first);
                with_scratch(n_pixels * k, |rows| {
                    // SAFETY: these pixels exist, the scratch memory holds their neighbourhoods.
                    unsafe {
                        let start = slopes.row(i * pixels + first);
                        let slopes = View { start, n_rows: n_pixels, ..slopes };
                        multiply_block(rows, slopes, panels, Finish::default());
                        for pixel in 0..n_pixels {
                            shape.scatter(rows.add(pixel * k), first + pixel, dx.as_mut_ptr());
                        }
                    }
                });
            }
        });
    });
    tensor(dx, [n_images * shape.size[0] * shape.size[1], shape.channels])
}

/// Products of the turned neighbourhoods with the gradient, in blocks of a fixed size.
fn weight_gradient(x: FlexTensor, slopes: View, shape: ConvShape) -> FlexTensor {
    let x = contiguous(x);
    let map = values(&x);
    let (k, n, pixels) = (shape.depth(), slopes.n_cols, shape.n_pixels());
    let block = (GRADIENT_VALUES / k.max(1)).max(64);
    let mut dweight = vec![0.0; k * n];
    for image in 0..shape.n_images(map) {
        let map = Shared(map[image * shape.image_len()..].as_ptr());
        for first in (0..pixels).step_by(block) {
            let n_pixels = block.min(pixels - first);
            with_scratch(n_pixels * k, |rows| {
                let shared = Shared(rows);
                for_row_chunks(n_pixels, k, |start, count| {
                    for pixel in start..start + count {
                        // SAFETY: these pixels exist; each is gathered once.
                        unsafe { shape.gather(map.get(), first + pixel, shared.get().add(pixel * k)) };
                    }
                });
                // SAFETY: the rows were gathered above.
                unsafe {
                    let columns = View::of_rows(rows, n_pixels, k, k).transposed();
                    let start = slopes.row(image * pixels + first);
                    let slopes = View { start, n_rows: n_pixels, ..slopes };
                    product(dweight.as_mut_ptr(), n, columns, slopes, 1.0, true, Parallelism::Rayon(0));
                }
            });
        }
    }
    tensor(dweight, [k, n])
}
