import Glibc

/// Groups of this machine, by their names.
enum GroupName {
    /// The number of the group that has this name (getgrnam(3)); `nil` if there is none.
    static func find(_ name: String) -> gid_t? { getgrnam(name)?.pointee.gr_gid }
}
