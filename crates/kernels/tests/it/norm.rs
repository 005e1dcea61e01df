//! LayerNorm, LayerNorm2d and GELU.

use burn::tensor::Tensor;
use fastersam_kernels::{gelu, generic, layer_norm, layer_norm_2d};
use proptest::prelude::*;

use crate::support::{Numbers, check_operation};

fn vector(tensor: &Tensor<2>) -> Tensor<1> {
    let [_, n] = tensor.dims();
    tensor.clone().reshape([n])
}

/// Few channels that happen to be alike are blown up where `eps` is small, rounding and all.
fn eps(channels: usize) -> f64 {
    if channels < 8 { 0.1 } else { 1e-6 }
}

/// x of the given spread around an offset, weight, bias.
fn parameters(rows: usize, d: usize, offset: f32, seed: u64) -> Vec<(Vec<f32>, Vec<usize>)> {
    let mut numbers = Numbers(seed);
    let x = numbers.values(rows * d).iter().map(|x| 3.0 * x + offset).collect();
    let weight = numbers.values(d).iter().map(|x| x + 1.0).collect();
    vec![(x, vec![rows, d]), (weight, vec![1, d]), (numbers.values(d), vec![1, d])]
}

pub fn check_layer_norm([rows, d]: [usize; 2], offset: f32, seed: u64, tracked: [bool; 3]) {
    check_operation(
        &format!("layer_norm [{rows}, {d}]"),
        &parameters(rows, d, offset, seed),
        &tracked,
        |p| layer_norm(p[0].clone(), vector(&p[1]), vector(&p[2]), eps(d)),
        |p| generic::layer_norm(p[0].clone(), vector(&p[1]), vector(&p[2]), eps(d)),
    );
}

pub fn check_layer_norm_2d(shape: [usize; 4], seed: u64, tracked: [bool; 3]) {
    let [batch, channels, h, w] = shape;
    let mut parameters = parameters(batch * h * w, channels, 0.5, seed);
    parameters[0].1 = vec![batch * channels, h * w];
    let map = |x: &Tensor<2>| x.clone().reshape(shape);
    check_operation(
        &format!("layer_norm_2d {shape:?}"),
        &parameters,
        &tracked,
        |p| layer_norm_2d(map(&p[0]), vector(&p[1]), vector(&p[2]), eps(channels)),
        |p| generic::layer_norm_2d(map(&p[0]), vector(&p[1]), vector(&p[2]), eps(channels)),
    );
}

pub fn check_gelu([rows, cols]: [usize; 2], seed: u64) {
    let values = Numbers(seed).values(rows * cols).iter().map(|x| 6.0 * x).collect();
    check_operation(
        &format!("gelu [{rows}, {cols}]"),
        &[(values, vec![rows, cols])],
        &[true],
        |p| gelu(p[0].clone()),
        |p| generic::gelu(p[0].clone()),
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn layer_norm_equals_its_composition(
        rows in 1_usize..300,
        d in 2_usize..200,
        offset in -2.0_f32..2.0,
        seed: u64,
        tracked in any::<[bool; 3]>(),
    ) {
        check_layer_norm([rows, d], offset, seed, tracked);
    }

    #[test]
    fn layer_norm_2d_equals_its_composition(
        batch in 1_usize..4,
        channels in 2_usize..40,
        h in 1_usize..14,
        w in 1_usize..40,
        seed: u64,
        tracked in any::<[bool; 3]>(),
    ) {
        check_layer_norm_2d([batch, channels, h, w], seed, tracked);
    }

    #[test]
    fn gelu_equals_burns(rows in 1_usize..200, cols in 1_usize..300, seed: u64) {
        check_gelu([rows, cols], seed);
    }
}

/// Strided input: what a slice or a transposition leaves.
#[test]
fn norms_take_views() {
    let parameters = parameters(40, 24, 0.0, 5);
    let wide = |p: &[Tensor<2>]| Tensor::cat(vec![p[0].clone(), p[0].clone()], 1).slice([3..30, 5..29]);
    check_operation(
        "layer_norm of a slice",
        &parameters,
        &[true; 3],
        |p| layer_norm(wide(p), vector(&p[1]), vector(&p[2]), 1e-6),
        |p| generic::layer_norm(wide(p), vector(&p[1]), vector(&p[2]), 1e-6),
    );
    let map = |p: &[Tensor<2>]| p[0].clone().reshape([4, 2, 5, 24]).permute([0, 3, 1, 2]);
    check_operation(
        "layer_norm_2d of a permutation",
        &parameters,
        &[true; 3],
        |p| layer_norm_2d(map(p), vector(&p[1]), vector(&p[2]), 1e-6),
        |p| generic::layer_norm_2d(map(p), vector(&p[1]), vector(&p[2]), 1e-6),
    );
}

#[test]
fn nothing_is_normalised_to_nothing() {
    let device = burn::tensor::Device::flex();
    let x = Tensor::<2>::zeros([0, 8], &device);
    let one = Tensor::<1>::ones([8], &device);
    assert_eq!(layer_norm(x.clone(), one.clone(), one.clone(), 1e-6).dims(), [0, 8]);
    assert_eq!(gelu(x).dims(), [0, 8]);
    let map = Tensor::<4>::zeros([0, 8, 3, 3], &device);
    assert_eq!(layer_norm_2d(map, one.clone(), one, 1e-6).dims(), [0, 8, 3, 3]);
}
