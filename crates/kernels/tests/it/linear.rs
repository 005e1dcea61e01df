//! Linear layers, with GELU and with residual.

use burn::tensor::Tensor;
use fastersam_kernels::{generic, linear, linear_gelu, linear_residual};
use proptest::prelude::*;

use crate::support::{Numbers, at_each_level, check_operation};

fn vector(tensor: &Tensor<2>) -> Tensor<1> {
    let [_, n] = tensor.dims();
    tensor.clone().reshape([n])
}

/// x, weight, bias, residual.
fn parameters([m, k, n]: [usize; 3], seed: u64) -> Vec<(Vec<f32>, Vec<usize>)> {
    let mut numbers = Numbers(seed);
    [[m, k], [k, n], [1, n], [m, n]]
        .into_iter()
        .map(|[rows, cols]| (numbers.values(rows * cols), vec![rows, cols]))
        .collect()
}

pub fn check(sizes: [usize; 3], seed: u64, tracked: [bool; 4], with_bias: bool) {
    let parameters = parameters(sizes, seed);
    let bias = |p: &[Tensor<2>]| with_bias.then(|| vector(&p[2]));
    let plain = [tracked[0], tracked[1], tracked[2] && with_bias];
    check_operation(
        &format!("linear {sizes:?}"),
        &parameters[..3],
        &plain,
        |p| linear(p[0].clone(), p[1].clone(), bias(p)),
        |p| generic::linear(p[0].clone(), p[1].clone(), bias(p)),
    );
    check_operation(
        &format!("linear_gelu {sizes:?}"),
        &parameters[..3],
        &plain,
        |p| linear_gelu(p[0].clone(), p[1].clone(), bias(p)),
        |p| generic::gelu(generic::linear(p[0].clone(), p[1].clone(), bias(p))),
    );
    check_operation(
        &format!("linear_residual {sizes:?}"),
        &parameters,
        &[plain[0], plain[1], plain[2], tracked[3]],
        |p| linear_residual(p[0].clone(), p[1].clone(), bias(p), p[3].clone()),
        |p| generic::linear(p[0].clone(), p[1].clone(), bias(p)) + p[3].clone(),
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn linear_layers_equal_their_compositions(
        m in 1_usize..90,
        k in 1_usize..200,
        n in 1_usize..150,
        seed: u64,
        tracked in any::<[bool; 4]>(),
        with_bias: bool,
    ) {
        check([m, k, n], seed, tracked, with_bias);
    }

    /// Where `gemm` would multiply vectors or take scalar products.
    #[test]
    fn small_linear_layers_equal_their_compositions(
        m in 1_usize..5,
        k in 1_usize..5,
        n in 1_usize..5,
        seed: u64,
        tracked in any::<[bool; 4]>(),
    ) {
        check([m, k, n], seed, tracked, true);
    }
}

#[test]
fn deep_and_wide_layers() {
    check([7, 1025, 3], 1, [true; 4], true);
    check([130, 768, 96], 2, [true; 4], true);
    check([300, 5, 1], 3, [true; 4], true);
}

#[test]
fn no_rows_give_no_rows() {
    let device = burn::tensor::Device::flex();
    let weight = Tensor::<2>::ones([6, 4], &device);
    let x = Tensor::<2>::zeros([0, 6], &device);
    assert_eq!(linear(x.clone(), weight.clone(), None).dims(), [0, 4]);
    assert_eq!(linear_gelu(x.clone(), weight.clone(), None).dims(), [0, 4]);
    let residual = Tensor::<2>::zeros([0, 4], &device);
    assert_eq!(linear_residual(x, weight, None, residual).dims(), [0, 4]);
}

/// A transposed weight (in-features beside each other) and sliced rows.
#[test]
fn linear_layers_take_views() {
    let parameters = parameters([20, 30, 17], 11);
    let turned = [
        (parameters[0].0.clone(), vec![20, 30]),
        (parameters[1].0.clone(), vec![17, 30]),
        (parameters[2].0.clone(), vec![1, 17]),
    ];
    for rows in [1, 2, 9, 16, 20] {
        check_operation(
            "linear on views",
            &turned,
            &[true; 3],
            |p| linear(p[0].clone().slice([0..rows, 0..30]), p[1].clone().transpose(), Some(vector(&p[2]))),
            |p| {
                let x = p[0].clone().slice([0..rows, 0..30]);
                generic::linear(x, p[1].clone().transpose(), Some(vector(&p[2])))
            },
        );
    }
}

/// The residual's memory is used again only where nobody else holds it.
#[test]
fn a_residual_that_is_still_needed_stays() {
    let device = burn::tensor::Device::flex();
    let mut numbers = Numbers(4);
    let [x, weight]: [Tensor<2>; 2] = [[3, 5], [5, 4]].map(|shape| numbers.tensor(shape, &device));
    let residual: Tensor<2> = numbers.tensor([3, 4], &device);
    let before = residual.clone().into_data();
    at_each_level(|| {
        let kept = linear_residual(x.clone(), weight.clone(), None, residual.clone());
        residual.clone().into_data().assert_eq(&before, true);
        // Memory of its own.
        let own = Tensor::from_data(before.clone(), &device);
        let reused = linear_residual(x.clone(), weight.clone(), None, own);
        reused.into_data().assert_eq(&kept.into_data(), true);
    });
}
