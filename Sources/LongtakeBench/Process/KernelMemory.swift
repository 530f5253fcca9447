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
}
