//! What each tuning scheme adds to SAM ViT-B's encoder (d 768, 12 blocks), in parameters.
//!
//! `cargo run --release -p fastersam-adapter --example parameters`
#![allow(clippy::print_stdout)]

use burn::module::Module;
use burn::tensor::Device;
use fastersam_adapter::{
    BottleneckAdapterConfig, ChannelGateAdapterConfig, ConvBranchConfig, CrossBranchConfig, InjectionConfig,
    LoraQvConfig, MsaAdaptersConfig, Tuning,
};

const EMBED_DIM: usize = 768;
const BLOCKS: usize = 12;
const N_HEADS: usize = 12;
/// Injection points, and as many global blocks.
const POINTS: usize = 4;

fn added(tuning: &Tuning, device: &Device) -> usize {
    let branch = ConvBranchConfig::default();
    let [.., channels] = branch.channels;
    let mut n = 0;
    if tuning.uses_conv_branch() {
        n += branch.init(device).num_params();
    }
    if tuning.uses_injection() {
        let injection = InjectionConfig { channels, embed_dim: EMBED_DIM }.init(device);
        n += POINTS * injection.num_params();
    }
    let hidden = |reduction: usize| EMBED_DIM / reduction;
    if let Some(rank) = tuning.lora_rank() {
        n += BLOCKS * LoraQvConfig { embed_dim: EMBED_DIM, rank }.init(device).num_params();
    }
    if let Some(hidden_dim) = tuning.bottleneck_reduction().map(hidden) {
        let adapter = BottleneckAdapterConfig { embed_dim: EMBED_DIM, hidden_dim }.init(device);
        n += BLOCKS * adapter.num_params();
    }
    if let Some(hidden_dim) = tuning.msa_reduction().map(hidden) {
        let adapters = MsaAdaptersConfig { embed_dim: EMBED_DIM, hidden_dim }.init(device);
        n += BLOCKS * adapters.num_params();
    }
    if let Some(hidden_dim) = tuning.channel_gate_reduction().map(hidden) {
        let adapter = ChannelGateAdapterConfig { embed_dim: EMBED_DIM, hidden_dim }.init(device);
        n += BLOCKS * adapter.num_params();
    }
    if let Some(hidden_dim) = tuning.cross_branch_reduction().map(hidden) {
        let config =
            CrossBranchConfig { channels, embed_dim: EMBED_DIM, num_heads: N_HEADS, hidden_dim, n_blocks: POINTS };
        n += config.init(device).num_params();
    }
    n
}

fn main() {
    let device = Device::flex();
    println!("{:<24} {:>12}  point-wise", "scheme", "parameters");
    for tuning in [
        Tuning::None,
        Tuning::Lora { rank: 4 },
        Tuning::MedicalSamAdapter { reduction: 4 },
        Tuning::SamMed2d { reduction: 4 },
        Tuning::Samus { reduction: 4 },
        Tuning::ConvBranch,
        Tuning::Bottleneck { reduction: 4 },
        Tuning::ConvBranchBottleneck { reduction: 4 },
    ] {
        println!("{:<24} {:>12}  {}", tuning.name(), added(&tuning, &device), tuning.is_point_wise());
    }
}
