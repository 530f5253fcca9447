// swift-tools-version: 6.2
import PackageDescription

let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .treatAllWarnings(as: .error),
]

// A package of its own, so that the daemon neither builds nor needs libpq. See README.md.
let package = Package(
    name: "longtake-postgresql-spike",
    dependencies: [.package(name: "longtake", path: "../..")],
    targets: [
        .systemLibrary(name: "CLibPQ", pkgConfig: "libpq", providers: [.apt(["libpq-dev"])]),
        .target(
            name: "LongtakePostgresSpike",
            dependencies: ["CLibPQ", .product(name: "LongtakeCore", package: "longtake")], swiftSettings: strict),
        .testTarget(
            name: "LongtakePostgresSpikeTests",
            dependencies: [
                "LongtakePostgresSpike", .product(name: "LongtakeCore", package: "longtake"),
                .product(name: "LongtakeTesting", package: "longtake"),
            ], swiftSettings: strict),
    ]
)
