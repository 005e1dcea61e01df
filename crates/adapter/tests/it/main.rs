#![allow(clippy::unwrap_used, missing_docs)]

mod adapters;
mod conv_branch;
mod cross_branch;
mod injection;
mod lora;
mod tuning;

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Device, Tensor, TensorData};

/// Values in about [-1, 1], the same on every machine.
fn values(n: usize, seed: u32) -> Vec<f32> {
    let mut state = u64::from(seed) * 0x9e37_79b9 + 1;
    (0..n)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1_u64 << 23) as f32 - 1.0
        })
        .collect()
}

fn tensor<const D: usize>(dims: [usize; D], seed: u32, device: &Device) -> Tensor<D> {
    let n = dims.iter().product();
    Tensor::from_data(TensorData::new(values(n, seed), dims), device)
}

fn floats<const D: usize>(x: Tensor<D>) -> Vec<f32> {
    x.into_data().try_to_vec().unwrap()
}

#[track_caller]
fn assert_close(a: &[f32], b: &[f32], atol: f32) {
    assert_eq!(a.len(), b.len());
    let worst = a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(worst <= atol, "largest difference {worst}, allowed {atol}");
    assert!(!a.iter().any(|v| v.is_nan()), "not a number");
}

/// Replaces every parameter, so that nothing rests on burn's generator or on zeros.
fn filled<M: Module>(module: M) -> M {
    struct Fill(u32);
    impl ModuleMapper for Fill {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            self.0 += 1;
            let seed = self.0;
            param.map(|t| {
                let fan_in = t.dims().iter().skip(1).product::<usize>().max(4) as f64;
                let fresh = tensor(t.dims(), seed, &t.device()).mul_scalar(fan_in.powf(-0.5));
                // Affine parameters stay near one.
                let fresh = if D == 1 { fresh.mul_scalar(0.2).add_scalar(1.0) } else { fresh };
                if t.is_require_grad() { fresh.require_grad() } else { fresh }
            })
        }
    }
    module.map(&mut Fill(1000))
}

/// Number of parameters without a gradient after `loss` was differentiated, by size.
fn without_gradient<M: Module>(module: &M, loss: Tensor<1>) -> Vec<Vec<usize>> {
    struct Check<'a> {
        gradients: &'a burn::tensor::Gradients,
        lacking: Vec<Vec<usize>>,
    }
    impl burn::module::ModuleVisitor for Check<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let has = param.val().grad(self.gradients).is_some_and(|g| {
                let sum: f32 = g.abs().sum().into_scalar();
                sum > 0.0 && sum.is_finite()
            });
            if !has {
                self.lacking.push(param.val().dims().to_vec());
            }
        }
    }
    let gradients = loss.backward();
    let mut check = Check { gradients: &gradients, lacking: Vec::new() };
    module.visit(&mut check);
    check.lacking
}
