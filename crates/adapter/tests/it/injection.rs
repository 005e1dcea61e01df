use burn::tensor::{Device, Tensor};
use fastersam_adapter::{InjectionConfig, PreEncoderHeadConfig, grid_tokens};

use crate::{assert_close, filled, floats, tensor, without_gradient};

#[test]
fn gamma_starts_at_a_tenth() {
    let device = Device::flex();
    let injection = InjectionConfig { channels: 8, embed_dim: 12 }.init(&device);
    let rows = tensor([5, 8], 1, &device);
    let expected =
        rows.clone().matmul(injection.proj.weight.val()) + injection.proj.bias.as_ref().unwrap().val().unsqueeze();
    assert_close(&floats(injection.forward(rows)), &floats(expected.mul_scalar(0.1)), 1e-6);
}

#[test]
fn rows_are_independent() {
    let device = Device::flex();
    for (channels, embed_dim) in [(16, 24), (256, 384)] {
        let injection = filled(InjectionConfig { channels, embed_dim }.init(&device));
        let head = filled(PreEncoderHeadConfig { channels, hidden_dim: 64, n_classes: 4 }.init(&device));
        let rows = tensor([400, channels], 2, &device);
        let (all, all_logits) = (injection.forward(rows.clone()), head.forward(rows.clone()));
        for (start, n) in [(0, 400), (3, 1), (7, 18), (100, 200)] {
            let part = rows.clone().narrow(0, start, n);
            let (ours, logits) = (injection.forward(part.clone()), head.forward(part));
            let same = floats(ours) == floats(all.clone().narrow(0, start, n));
            let same_logits = floats(logits) == floats(all_logits.clone().narrow(0, start, n));
            assert!(same && same_logits, "{n} rows from {start}, {channels} to {embed_dim}");
        }
    }
}

#[test]
fn grid_tokens_are_image_after_image_and_row_after_row() {
    let device = Device::flex();
    // The value says where it stands: image, row, column, channel.
    let place = |axis: usize, n: usize| {
        let mut dims = [1; 4];
        dims[axis] = n;
        Tensor::<1, burn::tensor::Int>::arange(0..n as i64, &device).float().reshape(dims)
    };
    let map = place(0, 2).mul_scalar(1000.0)
        + place(2, 3).mul_scalar(100.0)
        + place(3, 3).mul_scalar(10.0)
        + place(1, 4);
    let rows = floats(grid_tokens(map, 3));
    assert_eq!(rows.len(), 2 * 9 * 4);
    assert_eq!(rows[((9 + 2 * 3 + 1) * 4) + 3], 1213.0);
    assert_eq!(rows[(5 * 4) + 2], 122.0);
}

#[test]
fn grid_tokens_resize_without_aligned_corners() {
    let device = Device::flex();
    // A ramp along the columns: at half the size each output is the mean of its two inputs.
    let ramp = Tensor::<1, burn::tensor::Int>::arange(0..8, &device).float();
    let map = ramp.reshape([1, 1, 1, 8]).expand([1, 1, 8, 8]);
    let rows = floats(grid_tokens(map, 4));
    assert_close(&rows[..4], &[0.5, 2.5, 4.5, 6.5], 1e-6);
}

#[test]
fn every_parameter_gets_a_gradient() {
    let device = Device::flex().autodiff();
    let injection = InjectionConfig { channels: 16, embed_dim: 24 }.init(&device);
    let loss = injection.forward(tensor([7, 16], 3, &device)).square().sum();
    assert!(without_gradient(&injection, loss).is_empty());
    let head = filled(PreEncoderHeadConfig { channels: 16, hidden_dim: 8, n_classes: 3 }.init(&device));
    let loss = head.forward(tensor([7, 16], 3, &device)).square().sum();
    assert!(without_gradient(&head, loss).is_empty());
}
