use std::sync::Arc;

use burn::module::Param;
use burn::tensor::{Device, Tensor, TensorData};
use fastersam_adapter::{LoraLinearConfig, LoraQv, LoraQvConfig};
use fastersam_golden::{Comparison, Fixture, fixture, has};
use fastersam_kernels::{
    GridPos, Linear, LinearConfig, RaggedLayout, RelativePositions, linear, ragged_self_attention,
};

use crate::{assert_close, filled, floats, tensor, without_gradient};

#[test]
fn starts_as_the_identity() {
    let device = Device::flex();
    let lora = LoraQvConfig { embed_dim: 24, rank: 3 }.init(&device);
    let update = floats(lora.forward(tensor([5, 24], 1, &device)));
    assert_eq!(update, vec![0.0; 5 * 72]);
    // And A is not zero: else B would never move.
    assert!(floats(lora.linear_a_q.weight.val()).iter().any(|v| *v != 0.0));
}

#[test]
fn leaves_k_alone_and_merges() {
    let device = Device::flex();
    let lora = filled(LoraQvConfig { embed_dim: 24, rank: 3 }.init(&device));
    let (x, weight) = (tensor([5, 24], 2, &device), tensor([24, 72], 3, &device));
    let update = lora.forward(x.clone());
    assert!(floats(update.clone().slice([0..5, 24..48])).iter().all(|v| *v == 0.0));
    let apart = linear(x.clone(), weight.clone(), None) + update;
    assert_close(&floats(apart), &floats(linear(x, lora.merge(weight), None)), 1e-5);
}

#[test]
fn every_parameter_gets_a_gradient_once_b_moved() {
    let device = Device::flex().autodiff();
    let lora = filled(LoraQvConfig { embed_dim: 24, rank: 3 }.init(&device));
    let loss = lora.forward(tensor([5, 24], 2, &device)).square().sum();
    assert!(without_gradient(&lora, loss).is_empty());
}

#[test]
fn updates_a_single_layer() {
    let device = Device::flex();
    let layer = filled(LinearConfig::new(12, 20).init(&device));
    let x = tensor([6, 12], 4, &device);
    let config = LoraLinearConfig { d_input: 12, d_output: 20, rank: 2 };
    let plain = linear(x.clone(), layer.weight.val(), layer.bias.as_ref().map(Param::val));
    let fresh = config.init(&device);
    assert_close(&floats(fresh.forward(&layer, x.clone())), &floats(plain.clone()), 0.0);
    let lora = filled(fresh);
    let merged = Linear::from_parts(lora.merge(layer.weight.val()), layer.bias.as_ref().map(Param::val));
    let merged = linear(x.clone(), merged.weight.val(), merged.bias.as_ref().map(Param::val));
    let updated = floats(lora.forward(&layer, x));
    assert_close(&updated, &floats(merged), 1e-5);
    assert!(updated != floats(plain));
}

/// A weight `[out, in]` of the fixture as burn's `[in, out]`.
fn weight(fixture: &Fixture, key: &str, device: &Device) -> Tensor<2> {
    let array = fixture.get(key);
    Tensor::from_data(TensorData::new(array.f32().to_vec(), array.dims::<2>()), device).transpose()
}

fn vector(fixture: &Fixture, key: &str, device: &Device) -> Tensor<1> {
    let array = fixture.get(key);
    Tensor::from_data(TensorData::new(array.f32().to_vec(), array.dims::<1>()), device)
}

/// A matrix as PyTorch stores it.
fn official(matrix: Tensor<2>) -> Vec<f32> {
    floats(matrix.transpose())
}

#[test]
fn golden_samed_attention() {
    if !has(&["tolerances.json"]) {
        return;
    }
    let Some(fixture) = fixture("lora") else { return };
    let device = Device::flex().autodiff();
    let rows = |key: &str| {
        let array = fixture.get(key);
        let d = *array.shape.last().unwrap();
        let data = TensorData::new(array.f32().to_vec(), [array.f32().len() / d, d]);
        Tensor::<2>::from_data(data, &device)
    };
    let part = |name: &str| {
        let key = format!("attn.qkv.linear_{name}.weight");
        let weight = weight(&fixture, &key, &device).detach();
        Linear::from_parts(weight, None)
    };
    let lora = LoraQv {
        linear_a_q: part("a_q"),
        linear_b_q: part("b_q"),
        linear_a_v: part("a_v"),
        linear_b_v: part("b_v"),
    };
    let qkv_weight = weight(&fixture, "attn.qkv.qkv.weight", &device);
    let qkv_bias = vector(&fixture, "attn.qkv.qkv.bias", &device);

    // SAM's attention around it, on each image's own window.
    let tokens = rows("input.tokens");
    let [b, h, w, d] = fixture.get("input.tokens").dims::<4>();
    let tables = |axis: &str| rows(&format!("attn.rel_pos_{axis}"));
    let head_dim = fixture.get("attn.rel_pos_h").dims::<2>()[1];
    let positions: Vec<GridPos> =
        (0..b * h * w).map(|i| GridPos { row: (i / w % h) as u16, col: (i % w) as u16 }).collect();
    let layout = RaggedLayout::of_lengths(&vec![h * w; b]).with_positions(positions.clone(), positions);
    let qkv = linear(tokens.clone(), qkv_weight.clone(), Some(qkv_bias)) + lora.forward(tokens);
    let attended = ragged_self_attention(
        qkv.clone(),
        &Arc::new(layout),
        d / head_dim,
        Some(RelativePositions { height: tables("h"), width: tables("w") }),
    );
    let output = linear(
        attended,
        weight(&fixture, "attn.proj.weight", &device),
        Some(vector(&fixture, "attn.proj.bias", &device)),
    );

    let mut comparison = Comparison::new("lora");
    comparison.check(&fixture, "output.qkv", &floats(qkv));
    comparison.check(&fixture, "output.attention", &floats(output.clone()));
    let merged = official(lora.merge(qkv_weight));
    comparison.check(&fixture, "output.merged_qkv_weight", &merged);
    let gradients = (output * rows("input.output_weight")).sum().backward();
    for (name, layer) in [
        ("a_q", &lora.linear_a_q),
        ("b_q", &lora.linear_b_q),
        ("a_v", &lora.linear_a_v),
        ("b_v", &lora.linear_b_v),
    ] {
        let gradient = layer.weight.val().grad(&gradients).unwrap();
        let key = format!("output.grad.attn.qkv.linear_{name}.weight");
        comparison.check(&fixture, &key, &official(gradient));
    }
    comparison.finish();
}
