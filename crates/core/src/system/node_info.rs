//! What operators ask of one node: its machine, its version, its configuration, what it is busy with.
use super::System;
use lessor_engine::{Context, Error, Paths, Reply, Result};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use sysinfo::{Disks, System as Machine};

pub(super) fn declare(paths: Paths<System>) -> Paths<System> {
    paths
        .path("ha-status", "Lists the nodes.", |path| path.read(ha_status))
        .path("host-info", "Describes the machine.", |path| path.read(host_info))
        .path("in-flight-req", "Lists the requests that are under way.", |path| path.read(in_flight))
        .path("version-history", "Lists the versions that ran on this storage.", |path| path.list(version_history))
        .path("config/state/sanitized", "Shows the configuration without its secrets.", |path| path.read(config))
}

async fn ha_status(system: Arc<System>, _: Context, (): ()) -> Result<Reply> {
    let active = system.active()?;
    let nodes = active.cluster.seen().into_iter().map(|(member, ahead)| {
        json!({
            "hostname": member.name,
            "api_address": member.api_addr,
            "cluster_address": "",
            "active_node": true,
            "last_echo": ahead.map(|_| member.wall),
            "echo_duration_ms": 0,
            "clock_skew_ms": ahead.unwrap_or_default(),
            "version": member.version,
        })
    });
    Ok(Reply::data(json!({ "nodes": nodes.collect::<Vec<_>>() })))
}

async fn in_flight(system: Arc<System>, _: Context, (): ()) -> Result<Reply> {
    Ok(Reply::bare(200, system.core()?.under_way()))
}

async fn version_history(system: Arc<System>, _: Context, (): ()) -> Result<Reply> {
    let history = crate::history::read(&system.active()?.storage).await?;
    let mut before: Option<String> = None;
    let mut info = Map::new();
    for (version, installed) in &history {
        let shown = json!({ "build_date": "", "previous_version": before, "timestamp_installed": installed });
        info.insert(version.clone(), shown);
        before = Some(version.clone());
    }
    let keys: Vec<&String> = history.iter().map(|(version, _)| version).collect();
    Ok(Reply::data(json!({ "keys": keys, "key_info": info })))
}

async fn config(system: Arc<System>, _: Context, (): ()) -> Result<Reply> {
    let active = system.active()?;
    let settings = &active.settings;
    let mut data = json!({
        "api_addr": settings.api_addr,
        "cluster_addr": "",
        "cluster_name": settings.cluster_name,
        "default_lease_ttl": settings.default_ttl.as_secs(),
        "max_lease_ttl": settings.max_ttl.as_secs(),
        "listeners": [],
        "storage": { "type": settings.storage_type, "disable_clustering": false },
        "seals": [{ "type": system.core()?.seal_kind().word(), "disabled": false }],
        "raw_storage_endpoint": settings.raw_storage_endpoint,
        "introspection_endpoint": settings.introspection_endpoint,
        "enable_ui": settings.ui,
    });
    for (name, value) in &settings.shown {
        data[name] = value.clone();
    }
    Ok(Reply::data(data))
}

async fn host_info(system: Arc<System>, _: Context, (): ()) -> Result<Reply> {
    let at = system.active()?.now();
    let undescribed = |error: String| Error::Internal(format!("the machine cannot be described: {error}"));
    let data = tokio::task::spawn_blocking(describe).await.map_err(|error| undescribed(error.to_string()))?;
    let mut data = data.map_err(|error| undescribed(error.to_string()))?;
    data["timestamp"] = json!(at);
    Ok(Reply::data(data))
}

/// In the shapes of Go's `gopsutil`, as far as the platform tells.
fn describe() -> std::result::Result<Value, sysinfo::Error> {
    let machine = Machine::new_all()?;
    let cpu: Vec<Value> = machine
        .cpus()
        .iter()
        .enumerate()
        .map(|(number, cpu)| {
            json!({
                "cpu": number, "vendorId": cpu.vendor_id(), "modelName": cpu.brand(), "mhz": cpu.frequency(), "cores": 1,
            })
        })
        .collect();
    let disk: Vec<Value> = Disks::new_with_refreshed_list()?
        .iter()
        .map(|disk| {
            let (total, free) = (disk.total_space(), disk.available_space());
            json!({
                "path": disk.mount_point().to_string_lossy(), "fstype": disk.file_system().to_string_lossy(),
                "total": total, "free": free, "used": total.saturating_sub(free), "usedPercent": percent(total, free),
            })
        })
        .collect();
    let (total, available) = (machine.total_memory(), machine.available_memory());
    Ok(json!({
        "cpu": cpu,
        "cpu_times": [],
        "disk": disk,
        "host": {
            "hostname": Machine::host_name().ok(),
            "uptime": Machine::uptime().ok(),
            "bootTime": Machine::boot_time().ok(),
            "procs": machine.processes().len(),
            "os": std::env::consts::OS,
            "platform": Machine::distribution_id(),
            "platformVersion": Machine::os_version().ok(),
            "kernelVersion": Machine::kernel_version().ok(),
            "kernelArch": std::env::consts::ARCH,
        },
        "memory": {
            "total": total, "available": available, "used": machine.used_memory(), "free": machine.free_memory(),
            "usedPercent": percent(total, available), "swapTotal": machine.total_swap(), "swapFree": machine.free_swap(),
        },
    }))
}

#[allow(clippy::cast_precision_loss, reason = "a share in percent")]
fn percent(total: u64, free: u64) -> f64 {
    if total == 0 { 0.0 } else { total.saturating_sub(free) as f64 * 100.0 / total as f64 }
}
