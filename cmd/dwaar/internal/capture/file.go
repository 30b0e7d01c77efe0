package capture

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// What is read of a capture at most.
const (
	maxFile   = 256 << 20 // bytes
	maxPacket = 256 << 10 // bytes of one packet or block; tcpdump keeps 256 KiB
	maxLinks  = 64        // interfaces of a pcapng file
)

// Magic numbers, as they are read little endian.
const (
	magicMicro   = 0xa1b2c3d4 // pcap with microseconds
	magicNano    = 0xa1b23c4d
	sectionBlock = 0x0a0d0d0a // pcapng begins with it, the same in both byte orders
	sectionOrder = 0x1a2b3c4d
)

// Is reports whether bytes begin as a capture does.
func Is(b []byte) bool {
	if len(b) < 4 {
		return false
	}
	switch binary.LittleEndian.Uint32(b) {
	case magicMicro, magicNano, swapped(magicMicro), swapped(magicNano), sectionBlock:
		return true
	}
	return false
}

// errFormat is why a file is not read.
var errFormat = errors.New("it is neither pcap nor pcapng")

// packets calls take with the packets of a capture and the type of their link. A file
// that ends in the middle of a packet, as a capture that was interrupted does, ends
// there.
func packets(r io.Reader, take func(link uint16, packet []byte)) error {
	s := &scanner{r: bufio.NewReader(io.LimitReader(r, maxFile)), take: take, order: binary.LittleEndian}
	head, err := s.r.Peek(4)
	if err != nil {
		return errFormat
	}
	switch first := binary.LittleEndian.Uint32(head); first {
	case magicMicro, magicNano:
		err = s.classic()
	case swapped(magicMicro), swapped(magicNano):
		s.order = binary.BigEndian
		err = s.classic()
	case sectionBlock:
		err = s.blocks()
	default:
		return errFormat
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	}
	return err
}

func swapped(v uint32) uint32 {
	return v>>24 | v>>8&0xff00 | v<<8&0xff0000 | v<<24
}

// scanner reads one file.
type scanner struct {
	r     *bufio.Reader
	order binary.ByteOrder
	take  func(link uint16, packet []byte)
	buf   []byte
	links []uint16 // of the interfaces of a pcapng section
}

// bytes reads so many, into memory that the next call uses again.
func (s *scanner) bytes(n uint32) ([]byte, error) {
	if n > maxPacket {
		return nil, fmt.Errorf("a packet of %d bytes: at most %d are read", n, maxPacket)
	}
	if uint32(cap(s.buf)) < n {
		s.buf = make([]byte, n)
	}
	b := s.buf[:n]
	_, err := io.ReadFull(s.r, b)
	return b, err
}

// classic reads a pcap file: a header of 24 bytes, then packets behind 16 bytes each.
func (s *scanner) classic() error {
	head, err := s.bytes(24)
	if err != nil {
		return err
	}
	link := uint16(s.order.Uint32(head[20:]))
	for {
		head, err := s.bytes(16)
		if err != nil {
			return err
		}
		packet, err := s.bytes(s.order.Uint32(head[8:]))
		if err != nil {
			return err
		}
		s.take(link, packet)
	}
}

// Blocks of pcapng (draft-ietf-opsawg-pcapng, section 4).
const (
	interfaceBlock = 1
	simpleBlock    = 3
	enhancedBlock  = 6
)

// blocks reads a pcapng file: blocks with their type and length before, and their
// length once more behind.
func (s *scanner) blocks() error {
	for {
		head, err := s.bytes(8)
		if err != nil {
			return err
		}
		size, kind := [4]byte(head[4:]), s.order.Uint32(head) // the memory is used again
		read := uint32(0)
		if kind == sectionBlock {
			read = 4 // the byte order, in which the length is written, too
			if err := s.section(); err != nil {
				return err
			}
		}
		length := s.order.Uint32(size[:]) - read
		if length < 12 || length%4 != 0 {
			return fmt.Errorf("a block of %d bytes, which cannot be", length)
		}
		body, err := s.bytes(length - 8)
		if err != nil {
			return err
		}
		if kind != sectionBlock {
			s.block(kind, body[:len(body)-4])
		}
	}
}

// section learns the byte order of what follows.
func (s *scanner) section() error {
	b, err := s.bytes(4)
	if err != nil {
		return err
	}
	switch binary.LittleEndian.Uint32(b) {
	case sectionOrder:
		s.order = binary.LittleEndian
	case swapped(sectionOrder):
		s.order = binary.BigEndian
	default:
		return errFormat
	}
	s.links = s.links[:0]
	return nil
}

// block reads what can be in a section.
func (s *scanner) block(kind uint32, body []byte) {
	switch {
	case kind == interfaceBlock && len(body) >= 8 && len(s.links) < maxLinks:
		s.links = append(s.links, s.order.Uint16(body))
	case kind == enhancedBlock && len(body) >= 20:
		s.enhanced(s.order.Uint32(body), s.order.Uint32(body[12:]), body[20:])
	case kind == simpleBlock && len(body) >= 4 && len(s.links) > 0:
		s.take(s.links[0], body[4:][:min(s.order.Uint32(body), uint32(len(body)-4))])
	}
}

// enhanced reads a packet of one of several interfaces.
func (s *scanner) enhanced(of, size uint32, body []byte) {
	if of < uint32(len(s.links)) && size <= uint32(len(body)) {
		s.take(s.links[of], body[:size])
	}
}
