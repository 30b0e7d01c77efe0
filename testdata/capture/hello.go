//go:build ignore

// Hello connects with crypto/tls to $ADDR, for captures of its ClientHello.
//
//	go run hello.go [-ech] [-tls12] [-classic] [NAME [PROTO…]]
package main

import (
	"crypto/ecdh"
	"crypto/rand"
	"crypto/tls"
	"encoding/binary"
	"flag"
	"log"
	"net"
	"os"
)

func main() {
	log.SetFlags(0)
	ech := flag.Bool("ech", false, "encrypt the hello to a key made for this")
	old := flag.Bool("tls12", false, "offer nothing above TLS 1.2")
	classic := flag.Bool("classic", false, "offer no post-quantum group")
	flag.Parse()
	config := &tls.Config{ServerName: flag.Arg(0), InsecureSkipVerify: true}
	if flag.NArg() > 1 {
		config.NextProtos = flag.Args()[1:]
	}
	if *old {
		config.MaxVersion = tls.VersionTLS12
	}
	if *classic {
		config.CurvePreferences = []tls.CurveID{tls.X25519, tls.CurveP256}
	}
	if *ech {
		config.MinVersion = tls.VersionTLS13
		config.EncryptedClientHelloConfigList = configList()
	}
	c, err := net.Dial("tcp", os.Getenv("ADDR"))
	if err != nil {
		log.Fatalf("connecting to the sink: %v", err)
	}
	defer c.Close()
	_ = tls.Client(c, config).Handshake() // the sink answers nothing
}

// configList makes an ECHConfigList (RFC 9849 §4) for public.example.com.
func configList() []byte {
	key, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		log.Fatalf("making a key: %v", err)
	}
	contents := []byte{7, 0, 0x20, 0, 32}                           // config id, DHKEM(X25519), the public key
	contents = append(contents, key.PublicKey().Bytes()...)         //
	contents = append(contents, 0, 4, 0, 1, 0, 1)                   // HKDF-SHA256, AES-128-GCM
	contents = append(contents, 0, byte(len("public.example.com"))) // maximum name length, public name
	contents = append(contents, "public.example.com"...)
	contents = append(contents, 0, 0) // no extensions
	config := binary.BigEndian.AppendUint16([]byte{0xfe, 0x0d}, uint16(len(contents)))
	config = append(config, contents...)
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(config))), config...)
}
