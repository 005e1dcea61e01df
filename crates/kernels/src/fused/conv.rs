//! 3 x 3 convolutions on rows, one a pixel, channels last, and their gradients.
//!
//! A task gathers the neighbourhoods of some output pixels and multiplies them with the weights while they are in
//! the cache.

use burn_flex::FlexTensor;
use gemm::Parallelism;
use rayon::prelude::*;

use super::linear::{LinearWants, add_to, row_sums};
use super::matmul::add_product;
use super::memory::{
    Slot, contiguous, expect_shape, filled, for_row_chunks, n_values, row_blocks, tensor, values, with_scratch,
};
use super::panels::with_panels;
use super::product::{Epilogue, multiply_block, multiply_new_block};
use super::view::{View, ViewMut};
use super::weights::{Matrix, Right};
use crate::level::{self, Level};

/// Values of the neighbourhoods of one task: they should stay in the second-level cache.
const TASK_VALUES: usize = 128 * 1024;
/// Values of the neighbourhoods that one product of the weights' gradient runs over.
const GRADIENT_VALUES: usize = 512 * 1024;

/// The maps of a convolution with padding 1, checked to have pixels, and to be no larger than can be counted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ConvShape {
    /// Rows and columns of the input.
    size: [usize; 2],
    channels: usize,
    stride: usize,
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
    /// # Panics
    /// Where there is no such convolution.
    pub fn checked(size: [usize; 2], channels: usize, stride: usize) -> Self {
        assert!(
            stride > 0 && size.iter().all(|&side| side > 0),
            "conv3x3: maps of {} x {} pixels with stride {stride}",
            size[0],
            size[1]
        );
        // The output is no larger than the input.
        n_values("conv3x3", &[size[0], size[1], channels.max(1), 9]);
        Self { size, channels, stride }
    }

    /// Rows and columns of the output.
    fn output(&self) -> [usize; 2] {
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

    /// Pixels of the input.
    fn n_input_pixels(&self) -> usize {
        self.size.iter().product()
    }

    /// Values of an input image.
    fn image_len(&self) -> usize {
        self.n_input_pixels() * self.channels
    }

    /// Output pixels of one task.
    fn block(&self) -> usize {
        (TASK_VALUES / self.depth().max(1)).clamp(14, 448).next_multiple_of(14)
    }

    /// Images in a map of these dimensions.
    fn n_images(&self, map: &[usize]) -> usize {
        let pixels = self.n_input_pixels();
        let n_images = map.first().copied().unwrap_or_default() / pixels;
        expect_shape("conv3x3", "the input", map, &[n_images * pixels, self.channels]);
        n_images
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

    /// Copies the neighbourhood of an output pixel of an image, zeros outside.
    fn gather(&self, map: &[f32], pixel: usize, target: &mut [f32]) {
        let mut inside = 0;
        for Part { in_map, in_rows, length } in self.parts(pixel) {
            inside += length;
            target[in_rows..][..length].copy_from_slice(&map[in_map..][..length]);
        }
        if inside < self.depth() {
            self.clear_outside(pixel, target);
        }
    }

    /// Zeros where the neighbourhood reaches over the border.
    fn clear_outside(&self, pixel: usize, target: &mut [f32]) {
        let mut done = 0;
        let end = Part { in_map: 0, in_rows: self.depth(), length: 0 };
        for part in self.parts(pixel).chain([end]) {
            target[done..part.in_rows].fill(0.0);
            done = part.in_rows + part.length;
        }
    }

    /// Adds a neighbourhood to the image that it was gathered from.
    fn scatter(&self, level: Level, source: &[f32], pixel: usize, map: &mut [f32]) {
        for Part { in_map, in_rows, length } in self.parts(pixel) {
            add_to(level, &mut map[in_map..][..length], &source[in_rows..][..length]);
        }
    }

    /// The neighbourhoods of the output pixels from `first` on, one a row of the target.
    fn gather_rows(&self, map: &[f32], first: usize, target: &mut [f32]) {
        for (pixel, target) in (first..).zip(target.chunks_mut(self.depth().max(1))) {
            self.gather(map, pixel, target);
        }
    }
}

/// `[b * h * w, c] -> [b * h' * w', c']`; the weight is `[9 c, c']`, rows of the neighbourhood first.
pub(crate) fn conv(x: FlexTensor, weight: &Matrix, bias: Option<FlexTensor>, shape: ConvShape) -> FlexTensor {
    let n_images = shape.n_images(x.layout().shape());
    let (k, n) = (shape.depth(), weight.shape()[1]);
    expect_shape("conv3x3", "the weight", &weight.shape(), &[k, n]);
    if let Some(bias) = &bias {
        expect_shape("conv3x3", "the bias", bias.layout().shape(), &[n]);
    }
    let x = contiguous(x);
    let map = values(&x);
    let bias = bias.map(contiguous);
    let epilogue = Epilogue { bias: bias.as_ref().map(values), ..Epilogue::default() };
    let (pixels, image, block) = (shape.n_pixels(), shape.image_len(), shape.block());
    let n_rows = n_values("conv3x3", &[n_images, pixels]);
    let fill = |target: &mut [Slot]| {
        // Tasks: blocks of the output pixels of an image. Without values there is nothing to split.
        let images = target.chunks_mut((pixels * n).max(1)).enumerate();
        let blocks = images.flat_map(|(image, target)| {
            let blocks = (0..).step_by(block).zip(target.chunks_mut(block * n));
            blocks.map(move |(first, target)| (image, first, target))
        });
        let tasks: Vec<(usize, usize, &mut [Slot])> = blocks.collect();
        weight.with_right(|right| {
            tasks.into_par_iter().with_max_len(1).for_each(|(index, first, target)| {
                let map = &map[index * image..][..image];
                let n_pixels = target.len() / n;
                with_scratch(n_pixels * k, |rows| {
                    shape.gather_rows(map, first, rows);
                    multiply_new_block(target, View::of_rows(rows, [n_pixels, k]), right, epilogue);
                });
            });
        });
    };
    // SAFETY: the tasks cover the target, and the products fill theirs.
    let y = unsafe { filled(n_values("conv3x3", &[n_rows, n]), fill) };
    tensor(y, [n_rows, n])
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
    let n_images = slopes.n_rows() / shape.n_pixels();
    let expected = [n_images * shape.n_pixels(), slopes.n_cols()];
    expect_shape("conv3x3", "the gradient", &slopes.shape(), &expected);
    let dx = weight.filter(|_| wants.x).map(|weight| input_gradient(&weight, slopes, n_images, shape));
    let dweight = x.filter(|_| wants.weight).map(|x| weight_gradient(x, slopes, n_images, shape));
    let dbias = wants.bias.then(|| tensor(row_sums(slopes), [slopes.n_cols()]));
    [dx, dweight, dbias]
}

/// Products of the gradient with the turned weight, added up where the neighbourhoods came from. An
/// image is one task: its pixels overlap.
fn input_gradient(weight: &FlexTensor, slopes: View<'_>, n_images: usize, shape: ConvShape) -> FlexTensor {
    let level = level::current();
    let (k, pixels, image) = (shape.depth(), shape.n_pixels(), shape.image_len());
    let turned = View::of(weight).transposed();
    expect_shape("conv3x3", "the weight", &turned.shape(), &[slopes.n_cols(), k]);
    let n_rows = n_values("conv3x3", &[n_images, shape.n_input_pixels()]);
    let mut dx = vec![0.0; n_values("conv3x3", &[n_rows, shape.channels])];
    with_panels(turned, |panels| {
        dx.par_chunks_mut(image.max(1)).enumerate().for_each(|(i, dx)| {
            for block in row_blocks(pixels, shape.block()) {
                with_scratch(block.len() * k, |rows| {
                    let slopes = slopes.rows(i * pixels + block.start..i * pixels + block.end);
                    multiply_block(rows, slopes, Right::Floats(panels), Epilogue::default());
                    for (pixel, row) in block.zip(rows.chunks(k)) {
                        shape.scatter(level, row, pixel, dx);
                    }
                });
            }
        });
    });
    tensor(dx, [n_rows, shape.channels])
}

/// Products of the turned neighbourhoods with the gradient, in blocks of a fixed size.
fn weight_gradient(x: FlexTensor, slopes: View<'_>, n_images: usize, shape: ConvShape) -> FlexTensor {
    let found = shape.n_images(x.layout().shape());
    expect_shape("conv3x3", "images of the gradient", &[n_images], &[found]);
    let x = contiguous(x);
    let map = values(&x);
    let (k, n, pixels, image) = (shape.depth(), slopes.n_cols(), shape.n_pixels(), shape.image_len());
    let block = (GRADIENT_VALUES / k.max(1)).max(64);
    let mut dweight = vec![0.0; n_values("conv3x3", &[k, n])];
    for index in 0..n_images {
        let map = &map[index * image..][..image];
        for block in row_blocks(pixels, block) {
            with_scratch(block.len() * k, |rows| {
                for_row_chunks(rows, k, |first, rows| shape.gather_rows(map, block.start + first, rows));
                let columns = View::of_rows(rows, [block.len(), k]).transposed();
                let slopes = slopes.rows(index * pixels + block.start..index * pixels + block.end);
                let target = ViewMut::of_rows(&mut dweight, [k, n]);
                // SAFETY: the target started as zeros.
                unsafe { add_product(target, columns, slopes, 1.0, Parallelism::Rayon(0)) };
            });
        }
    }
    tensor(dweight, [k, n])
}
