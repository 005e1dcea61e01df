//! Layers whose weights are prepacked in eight or sixteen bits.

use burn::tensor::{Device, Tensor, TensorData};
use fastersam_kernels::{Conv3x3, Linear, WeightPrecision};
use proptest::prelude::*;

use crate::support::{Numbers, at_each_level, on_threads, values};

const NARROW: [WeightPrecision; 2] = [WeightPrecision::Bf16, WeightPrecision::Int8];

fn tensor<const D: usize>(values: Vec<f32>, shape: [usize; D]) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values, shape), &Device::flex())
}

fn layer([k, n]: [usize; 2], with_bias: bool, numbers: &mut Numbers) -> Linear {
    let device = Device::flex();
    let bias = with_bias.then(|| numbers.tensor([n], &device));
    Linear::from_parts(numbers.tensor([k, n], &device), bias)
}

fn prepacked(layer: &Linear, precision: WeightPrecision) -> Linear {
    let mut layer = layer.clone();
    layer.prepack_as(precision);
    assert_eq!(layer.weight.dims(), [0, 0], "the original is freed");
    layer
}

/// All three ways through a layer.
fn outputs(layer: &Linear, x: &Tensor<2>, residual: &Tensor<2>) -> [Vec<f32>; 3] {
    [layer.forward(x.clone()), layer.forward_gelu(x.clone()), layer.forward_residual(x.clone(), residual.clone())]
        .map(values)
}

/// Integers of at most 127, and their scale.
fn quantized(values: &[f32]) -> (Vec<i32>, f32) {
    let largest = values.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
    if largest == 0.0 {
        return (vec![0; values.len()], 0.0);
    }
    let inverse = 127.0 / largest;
    (values.iter().map(|value| (value * inverse).round_ties_even() as i32).collect(), largest / 127.0)
}

/// What eight bits must give, to the last bit.
fn int8_reference(x: &[f32], weight: &[f32], bias: Option<&[f32]>, [k, n]: [usize; 2]) -> Vec<f32> {
    let columns: Vec<(Vec<i32>, f32)> =
        (0..n).map(|col| quantized(&weight.iter().skip(col).step_by(n).copied().collect::<Vec<_>>())).collect();
    let mut y = Vec::new();
    for row in x.chunks(k) {
        let (row, row_scale) = quantized(row);
        for (col, (column, col_scale)) in columns.iter().enumerate() {
            let sum: i32 = row.iter().zip(column).map(|(a, b)| a * b).sum();
            let value = sum as f32 * row_scale * col_scale;
            y.push(bias.map_or(value, |bias| value + bias[col]));
        }
    }
    y
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn eight_bits_are_exact_sums_of_integers_at_every_level(
        m in 0_usize..130,
        k in 1_usize..200,
        n in 1_usize..150,
        seed: u64,
        with_bias: bool,
    ) {
        let mut numbers = Numbers(seed);
        let plain = layer([k, n], with_bias, &mut numbers);
        let x: Tensor<2> = numbers.tensor([m, k], &Device::flex());
        let [weight, input] = [plain.weight.val(), x.clone()].map(values);
        let bias = plain.bias.as_ref().map(|bias| values(bias.val()));
        let expected = int8_reference(&input, &weight, bias.as_deref(), [k, n]);
        for found in at_each_level(|| values(prepacked(&plain, WeightPrecision::Int8).forward(x.clone()))) {
            prop_assert_eq!(&found, &expected);
        }
    }

    /// Small integers need no rounding in either precision: numbers of sixteen bits hold them, and so do bytes whose
    /// scale is one.
    #[test]
    fn numbers_that_are_held_exactly_give_the_results_of_f32(
        m in 1_usize..60,
        k in 1_usize..130,
        n in 1_usize..80,
        seed: u64,
    ) {
        let mut numbers = Numbers(seed);
        let mut integers = |n: usize| -> Vec<f32> { (0..n).map(|_| numbers.below(255) as f32 - 127.0).collect() };
        let (mut x, mut weight) = (integers(m * k), integers(k * n));
        x.iter_mut().step_by(k).for_each(|value| *value = 127.0);
        weight[..n].fill(-127.0);
        let plain = Linear::from_parts(tensor(weight, [k, n]), Some(tensor(integers(n), [n])));
        let (x, residual) = (tensor(x, [m, k]), tensor(integers(m * n), [m, n]));
        for precision in NARROW {
            at_each_level(|| {
                assert_eq!(
                    outputs(&prepacked(&plain, precision), &x, &residual),
                    outputs(&plain, &x, &residual),
                    "{precision}"
                );
            });
        }
    }

    #[test]
    fn a_row_depends_on_itself_alone(
        m in 1_usize..230,
        k in 1_usize..90,
        n in 1_usize..90,
        seed: u64,
        threads in 1_usize..3,
    ) {
        let mut numbers = Numbers(seed);
        let plain = layer([k, n], true, &mut numbers);
        let [x, residual] = [k, n].map(|width| numbers.tensor::<2>([m, width], &Device::flex()));
        let row = numbers.below(m);
        let alone = [&x, &residual].map(|rows| rows.clone().narrow(0, row, 1));
        for precision in NARROW {
            at_each_level(|| {
                let layer = prepacked(&plain, precision);
                let all = on_threads(threads, || outputs(&layer, &x, &residual));
                for (all, alone) in all.iter().zip(outputs(&layer, &alone[0], &alone[1])) {
                    assert_eq!(all[row * n..][..n], alone, "{precision}");
                }
            });
        }
    }
}

/// Rounding is the only thing that is lost.
pub fn check_close([m, k, n]: [usize; 3], seed: u64) {
    let mut numbers = Numbers(seed);
    let plain = layer([k, n], true, &mut numbers);
    let [x, residual] = [k, n].map(|width| numbers.tensor::<2>([m, width], &Device::flex()));
    let expected = outputs(&plain, &x, &residual);
    // Values in -1..1: rounding moves each by at most half a step, in random directions.
    for (precision, step) in [(WeightPrecision::Bf16, 1.0 / 256.0), (WeightPrecision::Int8, 1.0 / 127.0)] {
        let tolerance = step * (k as f32).sqrt().max(1.0);
        at_each_level(|| {
            let found = outputs(&prepacked(&plain, precision), &x, &residual);
            for (found, expected) in found.iter().flatten().zip(expected.iter().flatten()) {
                assert!((found - expected).abs() < tolerance, "{precision}: {found}, not {expected}");
            }
        });
    }
}

#[test]
fn results_are_close_to_those_of_f32() {
    for ([m, k, n], seed) in [([30, 768, 96], 21), ([113, 3072, 33], 22), ([3, 5, 7], 23)] {
        check_close([m, k, n], seed);
    }
}

#[test]
fn what_is_not_finite_stays_in_its_row() {
    let mut numbers = Numbers(22);
    let plain = layer([40, 20], true, &mut numbers);
    let input = numbers.values(3 * 40);
    for precision in NARROW {
        for bad in [f32::NAN, f32::INFINITY] {
            let mut with_bad = input.clone();
            with_bad[40 + 7] = bad;
            at_each_level(|| {
                let layer = prepacked(&plain, precision);
                let [good, found] =
                    [&input, &with_bad].map(|input| values(layer.forward(tensor(input.clone(), [3, 40]))));
                assert!(found[20..40].iter().all(|value| !value.is_finite()), "{precision}: {found:?}");
                assert_eq!(found[..20], good[..20], "{precision}");
                assert_eq!(found[40..], good[40..], "{precision}");
            });
        }
    }
}

#[test]
fn zeros_and_what_is_next_to_them_give_the_bias() {
    let mut numbers = Numbers(23);
    let mut plain = layer([6, 5], true, &mut numbers);
    let bias = values(plain.bias.as_ref().unwrap().val());
    for tiny in [0.0, 1e-40, 1e-38] {
        let x = tensor(vec![tiny; 12], [2, 6]);
        for precision in NARROW {
            for found in at_each_level(|| values(prepacked(&plain, precision).forward(x.clone()))) {
                assert_eq!(found, [&bias[..], &bias[..]].concat(), "{precision}");
            }
        }
    }
    plain = Linear::from_parts(tensor(vec![0.0; 30], [6, 5]), Some(tensor(bias.clone(), [5])));
    let x: Tensor<2> = numbers.tensor([1, 6], &Device::flex());
    for found in at_each_level(|| values(prepacked(&plain, WeightPrecision::Int8).forward(x.clone()))) {
        assert_eq!(found, bias);
    }
}

#[test]
fn convolutions_too() {
    let device = Device::flex();
    let mut numbers = Numbers(24);
    for (channels, stride, size) in [([3, 32], 2, [17, 21]), ([24, 17], 1, [9, 14])] {
        let plain = Conv3x3::new(channels, stride, true, &device);
        let x: Tensor<2> = numbers.tensor([2 * size[0] * size[1], channels[0]], &device);
        let image: Tensor<2> = x.clone().narrow(0, size[0] * size[1], size[0] * size[1]);
        let expected = values(plain.forward(x.clone(), size).0);
        for precision in NARROW {
            at_each_level(|| {
                let mut conv = plain.clone();
                conv.prepack_as(precision);
                let found = values(conv.forward(x.clone(), size).0);
                let alone = values(conv.forward(image.clone(), size).0);
                assert_eq!(found[found.len() / 2..], alone, "{precision}: an image alone");
                for (found, expected) in found.iter().zip(&expected) {
                    assert!((found - expected).abs() < 0.02, "{precision}: {found}, not {expected}");
                }
            });
        }
    }
}

#[test]
fn names_are_parsed_and_others_refused() {
    for precision in WeightPrecision::ALL {
        assert_eq!(precision.to_string().parse(), Ok(precision));
    }
    let error = "int4".parse::<WeightPrecision>().unwrap_err();
    assert_eq!(error.to_string(), "there is no precision `int4` of weights; expected `f32`, `bf16` or `int8`");
}
