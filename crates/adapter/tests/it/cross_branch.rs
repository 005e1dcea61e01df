use burn::tensor::{Device, Int, Tensor, TensorData};
use fastersam_adapter::{CrossBranch, CrossBranchConfig, cross_branch_blocks, cross_branch_layout};

use crate::{assert_close, filled, floats, tensor, without_gradient};

const D: usize = 16;
const GRID: usize = 4;
const N: usize = GRID * GRID;

fn branch(device: &Device) -> CrossBranch {
    let config = CrossBranchConfig { channels: 24, embed_dim: D, num_heads: 2, hidden_dim: 4, n_blocks: 2 };
    filled(config.init(device))
}

#[test]
fn attention_follows_its_definition() {
    let device = Device::flex();
    let block = branch(&device).blocks.swap_remove(0);
    let (x, map) = (tensor([3, D], 1, &device), tensor([N, D], 2, &device));
    let layout = cross_branch_layout(&[3], N);
    let ours = floats(block.attend(x.clone(), map.clone(), &layout));

    let project = |layer: &fastersam_kernels::Linear, x: &Tensor<2>| {
        x.clone().matmul(layer.weight.val()) + layer.bias.as_ref().unwrap().val().unsqueeze()
    };
    let (q, k, v) = (project(&block.attn.q, &x), project(&block.attn.k, &map), project(&block.attn.v, &map));
    let heads = (0..2).map(|head| {
        let cols = head * D / 2..(head + 1) * D / 2;
        let part = |t: &Tensor<2>| t.clone().slice(burn::tensor::s![.., cols.clone()]);
        let logits = part(&q).matmul(part(&k).transpose()).div_scalar((D as f64 / 2.0).sqrt());
        burn::tensor::activation::softmax(logits, 1).matmul(part(&v))
    });
    let attended = Tensor::cat(heads.collect(), 1);
    let expected = x + project(&block.attn.proj, &attended);
    assert_close(&ours, &floats(expected), 1e-5);
}

/// The claim behind `is_point_wise`: with some tokens gone, the others' rows stay. Bit for bit, but
/// for an image with a single active token, whose matrix products the library computes in another
/// order of summation.
#[test]
fn paused_tokens_do_not_change_the_others() {
    let device = Device::flex();
    for (embed_dim, num_heads, grid) in [(16, 2, 4), (384, 6, 14)] {
        let n = grid * grid;
        let config = CrossBranchConfig { channels: 24, embed_dim, num_heads, hidden_dim: 4, n_blocks: 1 };
        let branch = filled(config.init(&device));
        let map = branch.embed(tensor([2 * n, 24], 3, &device));
        let block = &branch.blocks[0];
        let x = tensor([2 * n, embed_dim], 4, &device);
        let attend = |rows: &[usize], active: [usize; 2]| {
            let index: Vec<i64> = rows.iter().map(|&row| row as i64).collect();
            let index = TensorData::new(index, [rows.len()]);
            let rows = x.clone().select(0, Tensor::<1, Int>::from_data(index, &device));
            floats(block.attend(rows, map.clone(), &cross_branch_layout(&active, n)))
        };
        let all = attend(&(0..2 * n).collect::<Vec<_>>(), [n, n]);
        for (first, second, atol) in [(vec![1, 5, 6, n - 1], vec![0, 4], 0.0), (vec![2, 3], vec![7], 1e-5)] {
            let active = [first.len(), second.len()];
            let rows: Vec<usize> = first.into_iter().chain(second.iter().map(|row| n + row)).collect();
            let some = attend(&rows, active);
            for (ours, &row) in some.chunks(embed_dim).zip(&rows) {
                assert_close(ours, &all[row * embed_dim..(row + 1) * embed_dim], atol);
            }
        }
    }
}

#[test]
fn an_image_without_active_tokens_is_skipped() {
    let device = Device::flex();
    let branch = branch(&device);
    let map = branch.embed(tensor([3 * N, 24], 5, &device));
    let x = tensor([3, D], 6, &device);
    let layout = cross_branch_layout(&[2, 0, 1], N);
    assert_eq!(branch.blocks[1].attend(x, map, &layout).dims(), [3, D]);
}

#[test]
fn the_map_is_refined_image_by_image() {
    let device = Device::flex();
    let block = branch(&device).blocks.swap_remove(1);
    let map = tensor([2 * N, D], 7, &device);
    let both = floats(block.refine(map.clone(), GRID));
    let second = floats(block.refine(map.narrow(0, N, N), GRID));
    assert_close(&both[N * D..], &second, 0.0);
}

#[test]
fn every_parameter_gets_a_gradient() {
    let device = Device::flex().autodiff();
    let branch = branch(&device);
    let mut map = branch.embed(tensor([2 * N, 24], 8, &device));
    let mut x = branch.adapt_input(tensor([2 * N, D], 9, &device));
    let layout = cross_branch_layout(&[N, N], N);
    for block in &branch.blocks {
        x = block.attend(x, map.clone(), &layout);
        map = block.refine(map, GRID);
        x = x.clone() + block.parallel_to_mlp(x);
    }
    let y = branch.merge(x, map) * tensor([2 * N, D], 10, &device);
    let lacking = without_gradient(&branch, y.sum());
    // The bias of the keys moves all logits of a query alike: its gradient is rounding at most.
    assert!(lacking.iter().all(|dims| *dims == [D]) && lacking.len() <= 2, "{lacking:?}");
}

#[test]
fn places_in_the_encoder() {
    assert_eq!(cross_branch_blocks(&[2, 5, 8, 11], &[0, 3, 6, 9]), [2, 5, 8, 11]);
    assert_eq!(cross_branch_blocks(&[], &[0, 3, 6, 9]), [2, 5, 8]);
}
