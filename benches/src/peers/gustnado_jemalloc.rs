//! gustnado's echo on jemalloc, which gives back what was freed: after ten seconds, or what `_RJEM_MALLOC_CONF` says.

#[path = "gustnado.rs"]
mod gustnado;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> std::io::Result<()> {
    gustnado::main()
}
