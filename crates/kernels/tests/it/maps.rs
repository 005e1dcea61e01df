//! 3 x 3 convolutions and the norm after them, on rows whose channels come last.

use burn::tensor::{Device, Tensor};
use fastersam_kernels::{conv3x3, generic, group_norm_gelu};
use proptest::prelude::*;

use crate::support::{Numbers, at_each_level, check_operation, on_threads, values};

fn vector(tensor: &Tensor<2>) -> Tensor<1> {
    let [_, n] = tensor.dims();
    tensor.clone().reshape([n])
}

/// Matrices of random values.
fn parameters(shapes: &[[usize; 2]], seed: u64) -> Vec<(Vec<f32>, Vec<usize>)> {
    let mut numbers = Numbers(seed);
    shapes.iter().map(|&[rows, cols]| (numbers.values(rows * cols), vec![rows, cols])).collect()
}

/// A convolution of some images, `[height, width]`, from some channels to others.
pub fn check_conv(
    images: usize,
    size: [usize; 2],
    [channels, out]: [usize; 2],
    stride: usize,
    seed: u64,
    tracked: [bool; 3],
    with_bias: bool,
) {
    let shapes = [[images * size[0] * size[1], channels], [9 * channels, out], [1, out]];
    let bias = |p: &[Tensor<2>]| with_bias.then(|| vector(&p[2]));
    check_operation(
        &format!("convolution of {images} x {size:?} x {channels} to {out}, stride {stride}"),
        &parameters(&shapes, seed),
        &[tracked[0], tracked[1], tracked[2] && with_bias],
        |p| conv3x3(p[0].clone(), p[1].clone(), bias(p), size, stride),
        |p| generic::conv3x3(p[0].clone(), p[1].clone(), bias(p), size, stride),
    );
}

pub fn check_group_norm([images, pixels]: [usize; 2], groups: usize, c: usize, seed: u64, tracked: [bool; 3]) {
    let shapes = [[images * pixels, c], [1, c], [1, c]];
    // Groups of few values may all be the same but for rounding, which an eps this large covers.
    let eps = 1e-2;
    check_operation(
        &format!("group norm of {images} x {pixels} x {c}, {groups} groups"),
        &parameters(&shapes, seed),
        &tracked,
        |p| group_norm_gelu(p[0].clone(), vector(&p[1]), vector(&p[2]), [images, groups], eps),
        |p| generic::group_norm_gelu(p[0].clone(), vector(&p[1]), vector(&p[2]), [images, groups], eps),
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn convolutions_equal_their_composition(
        images in 1_usize..4,
        size in [1_usize..20, 1_usize..20],
        channels in 1_usize..20,
        out in 1_usize..40,
        stride in 1_usize..4,
        seed: u64,
        tracked in any::<[bool; 3]>(),
        with_bias: bool,
    ) {
        check_conv(images, size, [channels, out], stride, seed, tracked, with_bias);
    }

    #[test]
    fn group_norm_equals_its_composition(
        images in 1_usize..4,
        pixels in 1_usize..400,
        groups in 1_usize..9,
        per_group in 1_usize..9,
        seed: u64,
        tracked in any::<[bool; 3]>(),
    ) {
        check_group_norm([images, pixels], groups, groups * per_group, seed, tracked);
    }
}

const IMAGES: usize = 3;
const SIZE: [usize; 2] = [37, 41];
const CHANNELS: [usize; 2] = [8, 24];

/// A convolution and its norm on some images; the result and the gradients of x, the convolution's weight
/// and the norm's.
fn run(rows: &[f32], images: usize) -> [Vec<f32>; 4] {
    let device = Device::flex().autodiff();
    let mut numbers = Numbers(12);
    let [c, out] = CHANNELS;
    let n = SIZE[0] * SIZE[1];
    let x = Tensor::<1>::from_floats(&rows[..images * n * c], &device).reshape([images * n, c]).require_grad();
    let weight: Tensor<2> = numbers.tensor([9 * c, out], &device).require_grad();
    let scale: Tensor<1> = numbers.tensor([out], &device).require_grad();
    let y = conv3x3(x.clone(), weight.clone(), None, SIZE, 2);
    let y = group_norm_gelu(y, scale.clone(), scale.clone(), [images, 8], 1e-5);
    let slopes: Tensor<2> = Numbers(13).tensor(y.dims(), &device);
    let gradients = (y.clone() * slopes).sum().backward();
    let of = |tensor: Option<Vec<f32>>| tensor.expect("a tracked tensor has a gradient");
    [
        values(y),
        of(x.grad(&gradients).map(values)),
        of(weight.grad(&gradients).map(values)),
        of(scale.grad(&gradients).map(values)),
    ]
}

/// An image's result and gradient are the same alone and in any company.
#[test]
fn images_do_not_depend_on_others() {
    let rows = Numbers(3).values(IMAGES * SIZE[0] * SIZE[1] * CHANNELS[0]);
    at_each_level(|| {
        let [all, all_dx, ..] = run(&rows, IMAGES);
        for images in 1..IMAGES {
            let [some, some_dx, ..] = run(&rows, images);
            assert!(some == all[..some.len()], "{images} of {IMAGES} images");
            assert!(some_dx == all_dx[..some_dx.len()], "gradient of {images} of {IMAGES} images");
        }
    });
}

#[test]
fn threads_do_not_change_a_bit_of_maps() {
    let rows = Numbers(4).values(IMAGES * SIZE[0] * SIZE[1] * CHANNELS[0]);
    at_each_level(|| {
        let alone = on_threads(1, || run(&rows, IMAGES));
        for threads in [2, 3] {
            assert!(on_threads(threads, || run(&rows, IMAGES)) == alone, "{threads} threads");
        }
    });
}
