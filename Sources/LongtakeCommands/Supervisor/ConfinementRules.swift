internal import CLongtakeProcess
import Glibc

/// The paths that a confined program may use. Everything else is refused by Landlock (landlock(7)).
struct ConfinementRules {
    /// Readable and executable, with everything below.
    let readPaths: [String]
    /// Writable too. No devices can be made there.
    let writePaths: [String]

    init(_ confinement: ProgramLaunch.Confinement, workingDirectory: String) {
        readPaths = Self.systemPaths + Self.configurationPaths + confinement.readPaths
        writePaths = Self.devices + [workingDirectory] + confinement.writePaths
    }

    /// Programs, libraries, and what they ask the kernel.
    ///
    /// `/proc` shows the command lines of other programs. What is secret in it, such as the
    /// environment, the memory and the descriptors of another process, needs the right to trace
    /// that process, which Landlock refuses outside of the program's own domain.
    static let systemPaths = [
        "/usr", "/lib", "/lib32", "/lib64", "/libx32", "/bin", "/sbin", "/proc", "/sys", "/var/cache/fontconfig",
        "/dev/random", "/dev/urandom",
    ]

    /// Parts of `/etc` that libraries read. The rest may hold secrets that the daemon's user can
    /// read, such as the daemon's own settings.
    static let configurationPaths = [
        "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "ld.so.preload", "localtime", "timezone", "locale.conf",
        "locale.alias", "passwd", "group", "nsswitch.conf", "hosts", "host.conf", "resolv.conf", "gai.conf",
        "services", "protocols", "ssl/certs", "ssl/openssl.cnf", "pki/tls/certs", "pki/ca-trust", "ca-certificates",
        "ca-certificates.conf", "fonts", "alternatives", "mime.types", "magic", "os-release", "debian_version",
        "terminfo", "inputrc", "OpenCL", "vulkan", "glvnd", "ImageMagick-6", "ImageMagick-7", "perl", "python3",
    ].map { "/etc/" + $0 }

    /// Devices that hold nothing. `/dev/shm` and `/tmp` are left out, because all programs of the
    /// daemon's user share them.
    static let devices = ["/dev/null", "/dev/zero", "/dev/full"]

    /// Makes the ruleset.
    /// - Returns: its descriptor, which the caller closes.
    /// - Throws: ``ProgramStartError/notConfined(_:)``
    func makeRuleset() throws(ProgramStartError) -> CInt {
        let abi = longtake_landlock_abi()
        guard abi > 0 else { throw .notConfined("this kernel has no Landlock, or does not allow it here") }
        let ruleset = longtake_landlock_create(abi)
        guard ruleset >= 0 else {
            throw .notConfined("Landlock cannot be used: \(String(cString: strerror(errno)))")
        }
        let rules =
            readPaths.map { ($0, LONGTAKE_ALLOW_READ) } + writePaths.map { ($0, LONGTAKE_ALLOW_WRITE) }
        for (path, access) in rules where longtake_landlock_allow(ruleset, abi, path, CInt(access)) != 0 {
            let reason = String(cString: strerror(errno))
            close(ruleset)
            throw .notConfined("Landlock refused a rule for \(path): \(reason)")
        }
        return ruleset
    }
}
