/// The memory that the kernel holds for the buffers of all TCP sockets here, of both ends of a loopback connection.
enum KernelMemory {
    /// `mem` of /proc/net/sockstat, which counts pages.
    static var socketBytes: Int {
        let lines = SystemFile.text("/proc/net/sockstat")?.split(separator: "\n") ?? []
        guard let fields = lines.first(where: { $0.hasPrefix("TCP:") })?.split(separator: " "),
            let place = fields.firstIndex(of: "mem"), place + 1 < fields.count
        else { return 0 }
        return (Int(fields[place + 1]) ?? 0) * ProcessTable.pageBytes
    }

    /// What the kernel holds in small objects, of which each socket has some (`Slab` of /proc/meminfo); of the whole machine.
    static var slabBytes: Int {
        let lines = SystemFile.text("/proc/meminfo")?.split(separator: "\n") ?? []
        guard let line = lines.first(where: { $0.hasPrefix("Slab:") }) else { return 0 }
        return line.split(separator: " ").dropFirst().first.flatMap { Int($0) }.map { $0 * 1024 } ?? 0
    }
}
